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
interface Figures {
  readonly hardware: { readonly gpu: string | null };
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
}

const folder = join(paths.root, "docs/performance");
const page = readFileSync(join(paths.root, "docs/performance.md"), "utf8");
const files = readdirSync(folder);

test.each(files)("docs/performance.md has the figures of %s, and names the file and the GPU", (file) => {
  const { hardware, rows, versions } = JSON.parse(readFileSync(join(folder, file), "utf8")) as Figures;
  for (const row of rows) expect(page).toContain(lineOf(row));
  expect(page).toContain(`(performance/${file})`);
  expect(page).toContain(`## ${hardware.gpu}`);
  expect(page).toContain(versions.torch);
});

test("docs/performance.md has no other figures", () => {
  const lines = page.split("\n").filter((line) => /^\| \d+x\d+ /.test(line));
  const known = files.flatMap((file) => (JSON.parse(readFileSync(join(folder, file), "utf8")) as Figures).rows);
  expect(lines.toSorted()).toEqual(known.map(lineOf).toSorted());
});

function lineOf({ ratio, ...row }: Row): string {
  const interval = `${ratio.mean.toFixed(3)} (${ratio.low.toFixed(3)} to ${ratio.high.toFixed(3)})`;
  const [service, plain] = [row.service_seconds.toFixed(3), row.plain_seconds.toFixed(3)];
  const [speed, rate] = [row.plain_steps_per_second.toFixed(1), row.pictures_per_hour.toFixed(0)];
  return `| ${row.size} | ${row.steps} | ${service} | ${plain} | ${interval} | ${speed} | ${rate} | ${row.difference} |`;
}
