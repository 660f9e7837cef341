// Makes the pictures of pages small: with at most 256 colours, which is enough for pages.

import { deflateSync, inflateSync } from "node:zlib";

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const MOST_COLOURS = 256;

function* chunks(image) {
  let at = SIGNATURE.length;
  while (at < image.length) {
    const length = image.readUInt32BE(at);
    yield [image.toString("latin1", at + 4, at + 8), image.subarray(at + 8, at + 8 + length)];
    at += length + 12;
  }
}

const crcs = Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc >>> 0;
});

function chunk(kind, data) {
  const body = Buffer.concat([Buffer.from(kind, "latin1"), data]);
  let crc = 0xffffffff;
  for (const byte of body) crc = crcs[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE((crc ^ 0xffffffff) >>> 0);
  return Buffer.concat([length, body, check]);
}

function predicted(left, above, diagonal) {
  const [fromLeft, fromAbove] = [Math.abs(above - diagonal), Math.abs(left - diagonal)];
  const fromDiagonal = Math.abs(left + above - 2 * diagonal);
  if (fromLeft <= fromAbove && fromLeft <= fromDiagonal) return left;
  return fromAbove <= fromDiagonal ? above : diagonal;
}

// Returns the bytes of the pixels without the filters of the rows (PNG, section 9).
function unfiltered(data, width, height, size) {
  const row = width * size;
  const pixels = Buffer.alloc(row * height);
  for (let y = 0; y < height; y += 1) {
    const filter = data[y * (row + 1)];
    for (let x = 0; x < row; x += 1) {
      const at = y * row + x;
      const left = x >= size ? pixels[at - size] : 0;
      const above = y > 0 ? pixels[at - row] : 0;
      const diagonal = x >= size && y > 0 ? pixels[at - row - size] : 0;
      const guesses = [0, left, above, (left + above) >> 1, predicted(left, above, diagonal)];
      pixels[at] = data[y * (row + 1) + 1 + x] + guesses[filter];
    }
  }
  return pixels;
}

export function small(image) {
  const parts = [...chunks(Buffer.from(image))];
  const head = parts.find(([kind]) => kind === "IHDR")[1];
  const [width, height] = [head.readUInt32BE(0), head.readUInt32BE(4)];
  const size = head[9] === 6 ? 4 : 3;
  const data = inflateSync(Buffer.concat(parts.filter(([kind]) => kind === "IDAT").map(([, part]) => part)));
  const pixels = unfiltered(data, width, height, size);
  const colours = new Map();
  for (let at = 0; at < pixels.length; at += size) {
    const colour = pixels.readUIntBE(at, 3);
    colours.set(colour, (colours.get(colour) ?? 0) + 1);
  }
  const often = [...colours].sort((one, other) => other[1] - one[1]).map(([colour]) => colour);
  const kept = often.slice(0, MOST_COLOURS);
  const parts3 = (colour) => [colour >> 16, (colour >> 8) & 0xff, colour & 0xff];
  const distance = (one, other) => {
    const [a, b] = [parts3(one), parts3(other)];
    return a.reduce((sum, value, place) => sum + (value - b[place]) ** 2, 0);
  };
  const place = new Map(kept.map((colour, index) => [colour, index]));
  for (const colour of often.slice(MOST_COLOURS)) {
    const nearest = kept.reduce((best, it) => (distance(it, colour) < distance(best, colour) ? it : best));
    place.set(colour, place.get(nearest));
  }
  const rows = Buffer.alloc((width + 1) * height);
  for (let at = 0, y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += size) {
      rows[y * (width + 1) + 1 + x] = place.get(pixels.readUIntBE(at, 3));
    }
  }
  const newHead = Buffer.from(head);
  newHead[8] = 8;
  newHead[9] = 3;
  return Buffer.concat([
    SIGNATURE,
    chunk("IHDR", newHead),
    chunk("PLTE", Buffer.from(kept.flatMap(parts3))),
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}
