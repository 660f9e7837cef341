// Looks at every page of the console in a browser: light and dark, wide and narrow, with a mouse and with
// the keyboard. Ends with an error if it found anything wrong.

import { writeFileSync } from "node:fs";
import { dress, inspect, openPage, schemes, startBrowser, widths } from "./browser.mjs";
import { walkByKeyboard, signInByKeyboard } from "./keyboard.mjs";
import { small } from "./png.mjs";
import { address, makeExamples, makeManyClusters } from "./service.mjs";

const LARGEST_IMAGE = 150_000;
const images = process.argv[2];
const faults = [];

// The pages, and the names of their pictures.
const pages = [
  ["overview", "/console"],
  ["clusters", "/console/clusters"],
  ["cluster", "/console/clusters/reporting"],
  ["reach", "/console/clusters/chct3mqng4af2ckkv3jg/access"],
  ["reach-wide", "/console/clusters/sandbox-anna/access"],
  ["pass-through-roles", "/console/pass-through-roles"],
  ["capabilities", "/console/capabilities"],
  ["audit", "/console/audit"],
  [null, "/console/clusters?sort=changed"],
  [null, "/console/clusters?state=blocked"],
  [null, "/console/clusters?prefix=nothing-like-this"],
  [null, "/console/clusters/sandbox-anna"],
  [null, "/console/clusters/legacy-etl"],
  [null, "/console/clusters/dev-playground"],
  [null, "/console/clusters/quarterly-2025"],
  [null, "/console/clusters/ml-training"],
  [null, "/console/clusters/never-had-a-role"],
  [null, "/console/audit?action=drift_found"],
  [null, "/console/no-such-page"],
];

async function take(page, name) {
  if (images === undefined || name === null) return;
  const path = `${images}/console-${name}.png`;
  const height = await page.evaluate(() => Math.min(document.body.scrollHeight, 1500));
  const image = await page.screenshot({ clip: { x: 0, y: 0, width: page.viewport().width, height } });
  const picture = small(image);
  writeFileSync(path, picture);
  if (picture.length > LARGEST_IMAGE) faults.push(`${path} has more than ${LARGEST_IMAGE} bytes`);
}

async function lookAt(page, name, path) {
  for (const scheme of schemes) {
    for (const size of widths) {
      await dress(page, scheme, size);
      const answer = await page.goto(`${address}${path}`, { waitUntil: "load" });
      const place = `${path} (${scheme}, ${size.name})`;
      const policy = answer.headers()["content-security-policy"] ?? "";
      if (!policy.includes("default-src 'none'")) faults.push(`${place}: no strict policy`);
      // Closed parts are looked at, too.
      await page.evaluate(() => document.querySelectorAll("details").forEach((it) => (it.open = true)));
      await inspect(page, place, faults);
      await page.evaluate(() => document.querySelectorAll("details").forEach((it) => (it.open = false)));
      if (size.name === "wide" && scheme === "light") await take(page, name);
      if (name === "overview" && size.name === "wide" && scheme === "dark") await take(page, "dark");
      if (name === "overview" && size.name === "narrow" && scheme === "light") await take(page, "phone");
    }
  }
}

// An open page refreshes itself, and stops when its session has ended.
async function refresh(browser) {
  const page = await openPage(browser, faults);
  await page.goto(`${address}/console/clusters`, { waitUntil: "load" });
  const first = await page.$eval("#live", (it) => it.getAttribute("hx-get"));
  if (first !== "/console/clusters") faults.push(`the list refreshes ${first}`);
  await page.evaluate(() => document.querySelector("#live").replaceChildren());
  const refreshed = () => document.querySelectorAll("#live tbody tr").length > 3;
  await page.waitForFunction(refreshed, { timeout: 40_000, polling: 200 });
  // Who works with the keyboard stays at the same link.
  const focused = await page.evaluate(() => {
    document.querySelector("#live tbody tr").dataset.isOld = "yes";
    const link = document.querySelector("#live tbody a");
    link.focus();
    return link.id;
  });
  const replaced = () => !document.querySelector("#live [data-is-old]");
  await page.waitForFunction(replaced, { timeout: 40_000, polling: 200 });
  const after = await page.evaluate(() => document.activeElement?.id);
  if (focused === "" || after !== focused) faults.push(`the focus moved from ${focused} to ${after}`);
  const form = await openPage(browser, faults);
  await form.goto(`${address}/console`, { waitUntil: "load" });
  await Promise.all([form.waitForNavigation(), form.click("form.sign-out button")]);
  if (new URL(form.url()).pathname !== "/console/sign-in") faults.push(`signed out to ${form.url()}`);
  const ended = () => document.querySelector("#live .notice")?.textContent.includes("has ended");
  await form.close();
  await page.bringToFront();
  await page.waitForFunction(ended, { timeout: 40_000, polling: 200 });
  await page.close();
}

async function withoutScript(browser) {
  const page = await openPage(browser, faults);
  await page.setJavaScriptEnabled(false);
  await page.goto(`${address}/console/clusters`, { waitUntil: "load" });
  await page.type("#prefix", "batch-");
  await Promise.all([page.waitForNavigation(), page.click("form.filters button")]);
  await Promise.all([page.waitForNavigation(), page.click("#next-page")]);
  const rows = await page.$$eval("tbody tr", (all) => all.length);
  if (rows !== 10) faults.push(`the second page of 60 clusters has ${rows} rows`);
  await page.close();
}

await makeExamples();
const browser = await startBrowser();
try {
  const page = await openPage(browser, faults);
  await lookAt(page, "sign-in", "/console/sign-in");
  await signInByKeyboard(page, faults);
  for (const [name, path] of pages) await lookAt(page, name, path);
  await dress(page, "light", widths[0]);
  for (const path of ["/console", "/console/clusters", "/console/clusters/reporting", "/console/audit"]) {
    await walkByKeyboard(page, path, faults);
  }
  await makeManyClusters(60);
  await withoutScript(browser);
  await refresh(browser);
} catch (error) {
  faults.push(error.stack);
} finally {
  await browser.close();
}
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exit(1);
console.log(`${pages.length + 1} pages of the console are in order`);
