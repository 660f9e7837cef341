// The console with the keyboard alone.

import { address, key } from "./service.mjs";

const focused = () => {
  const it = document.activeElement;
  const style = getComputedStyle(it);
  return {
    id: it.dataset.reached ?? (it.dataset.reached = Math.random().toString(36)),
    text: (it.textContent || it.name || it.id).trim().slice(0, 60),
    isVisible: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0,
    isBody: it === document.body,
  };
};

// A wrong key is rejected with a reason; the right one signs in.
export async function signInByKeyboard(page, faults) {
  await page.goto(`${address}/console`, { waitUntil: "load" });
  if (new URL(page.url()).pathname !== "/console/sign-in") faults.push(`not led to sign in: ${page.url()}`);
  await page.keyboard.type("x".repeat(64));
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
  const error = await page.$eval("#error", (it) => it.textContent);
  if (!error.includes("not valid")) faults.push(`a wrong key is answered with: ${error}`);
  await page.focus("#key");
  await page.keyboard.type(key);
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
  if (new URL(page.url()).pathname !== "/console") faults.push(`signing in led to ${page.url()}`);
}

// Tab reaches everything that can be used, in some order, and shows where it is. The first stop skips to
// the content.
export async function walkByKeyboard(page, path, faults) {
  await page.goto(`${address}${path}`, { waitUntil: "load" });
  // A part of the page that is replaced during the walk would be reached twice.
  await page.evaluate(() => document.body.addEventListener("htmx:beforeRequest", (event) => event.preventDefault()));
  const usable = "a[href], button, input:not([type=hidden]), select, summary, [tabindex='0']";
  const isShown = (all) => all.filter((it) => it.checkVisibility({ contentVisibilityAuto: true })).length;
  const expected = await page.$$eval(usable, isShown);
  const reached = new Set();
  // A field for a time has several stops.
  for (let stops = 0; stops < expected * 2 + 40; stops += 1) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate(focused);
    if (stop.isBody) break;
    if (!reached.has(stop.id) && !stop.isVisible) faults.push(`${path}: focus is invisible on “${stop.text}”`);
    reached.add(stop.id);
  }
  if (reached.size !== expected) faults.push(`${path}: Tab reaches ${reached.size} of ${expected} places`);
  await page.goto(`${address}${path}`, { waitUntil: "load" });
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  const isSkipped = await page.evaluate(() => document.activeElement?.id === "main");
  if (!isSkipped) faults.push(`${path}: the link to the content does not lead there`);
}
