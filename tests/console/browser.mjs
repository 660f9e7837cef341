// A page of the console in a browser. Errors that the browser reports are collected: a violation of the
// content security policy is one of them.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import puppeteer from "puppeteer-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

export const widths = [
  { name: "wide", width: 1280, height: 900 },
  { name: "narrow", width: 390, height: 844 },
];
export const schemes = ["light", "dark"];

export async function startBrowser() {
  return puppeteer.launch({
    executablePath: process.env.CHROMIUM,
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--force-color-profile=srgb", "--disable-lcd-text"],
  });
}

export async function openPage(browser, faults) {
  const page = await browser.newPage();
  page.on("console", (message) => {
    // The answers to a wrong key and to a wrong path have an error status, which is what they should have.
    const isWanted = /status of 40[14]/.test(message.text());
    if (["error", "warn"].includes(message.type()) && !isWanted) {
      faults.push(`${page.url()}: the browser reports: ${message.text()}`);
    }
  });
  page.on("pageerror", (error) => faults.push(`${page.url()}: a script failed: ${error.message}`));
  return page;
}

export async function dress(page, scheme, { width, height }) {
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.setViewport({ width, height });
}

// Looks for violations of WCAG 2 A and AA, and for content that is wider than the window.
export async function inspect(page, place, faults) {
  // The page's policy forbids scripts in its text; this one comes from the browser's own tools.
  await page.evaluate(axe);
  const found = await page.evaluate(
    (values) => globalThis.axe.run(document, { runOnly: { type: "tag", values } }),
    STANDARDS,
  );
  if (found.passes.length === 0) faults.push(`${place}: nothing was checked`);
  for (const violation of found.violations) {
    const nodes = violation.nodes.map((node) => `${node.target} (${node.failureSummary})`);
    faults.push(`${place}: ${violation.id}: ${violation.help}: ${nodes.join("; ")}`);
  }
  const excess = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  if (excess > 0) faults.push(`${place}: the page is ${excess} pixels wider than the window`);
}
