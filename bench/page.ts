/**
 * `npm run bench:page`: seconds until Chromium first paints the page of the service, against an empty page of the same machine, both alternating in one
 * browser, each time with an empty cache. In: `--loads <n>` (15 of each). Out: the medians, and exit code 1 where the page takes more than twice as long.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { type Browser, chromium } from "playwright-core";
import { chromiumPath, missingForPage } from "../test/support/page/chromium.ts";
import { PythonService } from "../test/support/python-service.ts";
import { barsFactor, PAGE_PAINT } from "./bars.ts";

const EMPTY = '<!doctype html><html lang="en"><title>empty</title><p>.</p></html>';
const PAINT = `new Promise((resolve) => new PerformanceObserver((list) => resolve(list.getEntries()[0].startTime))
  .observe({ type: "paint", buffered: true }))`;

const { values } = parseArgs({ options: { loads: { type: "string", default: "15" }, bars: { type: "string" } } });
const loads = Number(values.loads);
const factor = barsFactor(values.bars);
if (!Number.isInteger(loads) || loads < 1) {
  console.error(`--loads: expected a whole number from 1, got ${values.loads}. Fix: npm run bench:page -- --loads 15`);
  process.exit(2);
}
const missing = missingForPage();
if (missing) {
  console.error(`The browser is missing: ${missing}`);
  process.exit(2);
}

const service = await PythonService.start("fake", {});
const empty = createServer((_, answer) => answer.setHeader("Content-Type", "text/html").end(EMPTY));
await new Promise<void>((resolve) => empty.listen(0, "127.0.0.1", resolve));
const browser = await chromium.launch({ executablePath: chromiumPath() ?? "", args: ["--no-sandbox"] });
try {
  const addresses = { page: service.url, empty: `http://127.0.0.1:${(empty.address() as AddressInfo).port}/` };
  const times: Record<keyof typeof addresses, number[]> = { page: [], empty: [] };
  // The first load of each warms what the browser shares between contexts.
  for (let load = 0; load <= loads; load += 1) {
    for (const name of ["page", "empty"] as const) {
      const milliseconds = await firstPaint(browser, addresses[name]);
      if (load > 0) times[name].push(milliseconds);
    }
  }
  const [page, plain] = [median(times.page), median(times.empty)];
  console.log(
    `Chromium ${browser.version()}, ${cpus().length} cores (${cpus()[0]?.model ?? "?"}), ${loads} loads of each`,
  );
  console.log(
    `first paint: page ${page.toFixed(0)} ms, empty page ${plain.toFixed(0)} ms, ${(page / plain).toFixed(2)} ×`,
  );
  if (page > PAGE_PAINT * factor * plain) {
    console.log(`MISSED: more than ${PAGE_PAINT} × an empty page's`);
    process.exitCode = 1;
  }
} finally {
  await browser.close();
  empty.close();
  service.stop();
}

async function firstPaint(of: Browser, url: string): Promise<number> {
  const context = await of.newContext();
  const tab = await context.newPage();
  await tab.goto(url);
  const milliseconds = Number(await tab.evaluate(PAINT));
  await context.close();
  return milliseconds;
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
