import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { paths } from "../../support/paths.ts";

/** Until 26 November 2026 the bench took the mean of the pairs' ratios, and since then their median. */
type Ratio = { readonly low: number; readonly high: number } & (
  | { readonly mean: number; readonly median?: undefined }
  | { readonly median: number }
);
interface Row {
  readonly size: string;
  readonly steps: number;
  readonly service_seconds: number;
  readonly plain_seconds: number;
  readonly ratio: Ratio;
  readonly plain_steps_per_second: number;
  readonly pictures_per_hour: number;
  readonly difference: number;
}
interface Cost {
  readonly name: string;
  readonly size: string;
  readonly steps: number;
  readonly pairs: number;
  readonly seconds: number;
  readonly baseline_seconds: number;
  readonly difference_ms: number;
  readonly ratio: Ratio;
  readonly limit: string;
}
interface Option {
  readonly option: string;
  readonly is_default: boolean;
  readonly size: string;
  readonly seconds: number;
  readonly baseline_seconds: number;
  readonly ratio: Ratio | null;
  readonly difference: number;
  readonly bytes: number;
  readonly baseline_bytes: number;
  readonly bar: string;
  readonly missed: readonly string[];
  readonly why_not: string;
}
interface Figures {
  readonly hardware: { readonly gpu: string | null; readonly processor: string };
  readonly versions: Readonly<Record<string, string>>;
  readonly rows?: readonly Row[];
  readonly options?: readonly Option[];
  readonly costs?: readonly Cost[];
}

const folder = join(paths.root, "docs/performance");
const page = readFileSync(join(paths.root, "docs/performance.md"), "utf8");
const files = readdirSync(folder);

test.each(files)("docs/performance.md has the figures of %s, and names the file and the GPU", (file) => {
  const {
    hardware,
    rows = [],
    versions,
    costs = [],
    options = [],
  } = JSON.parse(readFileSync(join(folder, file), "utf8")) as Figures;
  for (const row of rows) expect(page).toContain(lineOf(row));
  for (const cost of costs) expect(page).toContain(costLineOf(cost));
  for (const option of options) {
    expect(page).toContain(optionLineOf(option));
    expect(option.missed).toEqual([]);
  }
  expect(page).toContain(`(performance/${file})`);
  expect(page).toContain(hardware.gpu === null ? hardware.processor : `## ${hardware.gpu}`);
  expect(page).toContain(versions.torch);
});

test("docs/performance.md has no other figures", () => {
  const lines = page.split("\n").filter((line) => /^\| \d+x\d+ /.test(line));
  const known = files.flatMap((file) => (JSON.parse(readFileSync(join(folder, file), "utf8")) as Figures).rows ?? []);
  expect(lines.toSorted()).toEqual(known.map(lineOf).toSorted());
  const costs = files.flatMap((file) => (JSON.parse(readFileSync(join(folder, file), "utf8")) as Figures).costs ?? []);
  expect(page.split("\n").filter((line) => / (?:ms|%) \|$/.test(line))).toEqual(costs.map(costLineOf));
});

function intervalOf(ratio: Ratio): string {
  const middle = ratio.median ?? ratio.mean;
  return `${middle.toFixed(3)} (${ratio.low.toFixed(3)} to ${ratio.high.toFixed(3)})`;
}

function lineOf({ ratio, ...row }: Row): string {
  const interval = intervalOf(ratio);
  const [service, plain] = [row.service_seconds.toFixed(3), row.plain_seconds.toFixed(3)];
  const [speed, rate] = [row.plain_steps_per_second.toFixed(1), row.pictures_per_hour.toFixed(0)];
  return `| ${row.size} | ${row.steps} | ${service} | ${plain} | ${interval} | ${speed} | ${rate} | ${row.difference} |`;
}

function costLineOf({ ratio, ...cost }: Cost): string {
  const interval = intervalOf(ratio);
  const difference = `${cost.difference_ms < 0 ? "" : "+"}${cost.difference_ms.toFixed(1)}`;
  const [without, with_] = [cost.baseline_seconds.toFixed(3), cost.seconds.toFixed(3)];
  const what = `| ${cost.name} | ${cost.size} | ${cost.steps} | ${cost.pairs} |`;
  return `${what} ${without} | ${with_} | ${difference} | ${interval} | ${cost.limit} |`;
}

function optionLineOf({ ratio, ...row }: Option): string {
  const used = row.is_default ? "yes" : "no";
  if (ratio === null) return `| ${row.option} | ${used} | — | — | — | not measured here: ${row.why_not} | — | — | — |`;
  const interval = intervalOf(ratio);
  const memory = (row.bytes - row.baseline_bytes) / 1e6;
  const [without, with_] = [row.baseline_seconds.toFixed(3), row.seconds.toFixed(3)];
  const last = `${row.difference} | ${memory < 0 ? "" : "+"}${memory.toFixed(1)} | ${row.bar || "—"}`;
  return `| ${row.option} | ${used} | ${row.size} | ${without} | ${with_} | ${interval} | ${last} |`;
}
