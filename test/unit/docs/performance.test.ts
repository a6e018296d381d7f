import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { paths } from "../../support/paths.ts";

interface Row {
  readonly size: string;
  readonly steps: number;
  readonly service_seconds: number;
  readonly plain_seconds: number;
  readonly ratio: { readonly mean: number; readonly low: number; readonly high: number };
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
  readonly ratio: Row["ratio"];
  readonly limit: string;
}
interface Figures {
  readonly hardware: { readonly gpu: string | null; readonly processor: string };
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
  readonly costs?: readonly Cost[];
}

const folder = join(paths.root, "docs/performance");
const page = readFileSync(join(paths.root, "docs/performance.md"), "utf8");
const files = readdirSync(folder);

test.each(files)("docs/performance.md has the figures of %s, and names the file and the GPU", (file) => {
  const { hardware, rows, versions, costs = [] } = JSON.parse(readFileSync(join(folder, file), "utf8")) as Figures;
  for (const row of rows) expect(page).toContain(lineOf(row));
  for (const cost of costs) expect(page).toContain(costLineOf(cost));
  expect(page).toContain(`(performance/${file})`);
  expect(page).toContain(hardware.gpu === null ? hardware.processor : `## ${hardware.gpu}`);
  expect(page).toContain(versions.torch);
});

test("docs/performance.md has no other figures", () => {
  const lines = page.split("\n").filter((line) => /^\| \d+x\d+ /.test(line));
  const known = files.flatMap((file) => (JSON.parse(readFileSync(join(folder, file), "utf8")) as Figures).rows);
  expect(lines.toSorted()).toEqual(known.map(lineOf).toSorted());
  const costs = files.flatMap((file) => (JSON.parse(readFileSync(join(folder, file), "utf8")) as Figures).costs ?? []);
  expect(page.split("\n").filter((line) => / (?:ms|%) \|$/.test(line))).toEqual(costs.map(costLineOf));
});

function lineOf({ ratio, ...row }: Row): string {
  const interval = `${ratio.mean.toFixed(3)} (${ratio.low.toFixed(3)} to ${ratio.high.toFixed(3)})`;
  const [service, plain] = [row.service_seconds.toFixed(3), row.plain_seconds.toFixed(3)];
  const [speed, rate] = [row.plain_steps_per_second.toFixed(1), row.pictures_per_hour.toFixed(0)];
  return `| ${row.size} | ${row.steps} | ${service} | ${plain} | ${interval} | ${speed} | ${rate} | ${row.difference} |`;
}

function costLineOf({ ratio, ...cost }: Cost): string {
  const interval = `${ratio.mean.toFixed(3)} (${ratio.low.toFixed(3)} to ${ratio.high.toFixed(3)})`;
  const difference = `${cost.difference_ms < 0 ? "" : "+"}${cost.difference_ms.toFixed(1)}`;
  const [without, with_] = [cost.baseline_seconds.toFixed(3), cost.seconds.toFixed(3)];
  const what = `| ${cost.name} | ${cost.size} | ${cost.steps} | ${cost.pairs} |`;
  return `${what} ${without} | ${with_} | ${difference} | ${interval} | ${cost.limit} |`;
}
