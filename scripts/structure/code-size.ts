/**
 * `npm run code-size [-- --against REVISION]`: lines of code of the product's folders, without blanks, comments and docstrings. A line
 * longer than 120 characters counts as the lines that it would fill, so that dense code gains nothing.
 */
import { parseArgs } from "node:util";
import { codeLines, PRODUCT, readTree } from "./source.ts";

const WIDTH = 120;

function sizeOf(folder: string, revision?: string): number {
  const lines = [...codeLines(readTree([folder], revision)).values()].flat();
  return lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.trimEnd().length / WIDTH)), 0);
}

const { values } = parseArgs({ options: { against: { type: "string" } } });
const rows = PRODUCT.map((folder) => ({
  folder: folder as string,
  now: sizeOf(folder),
  before: values.against ? sizeOf(folder, values.against) : undefined,
}));
const sum = (pick: (row: (typeof rows)[number]) => number | undefined) =>
  rows.reduce((total, row) => total + (pick(row) ?? 0), 0);
rows.push({
  folder: "all",
  now: sum(({ now }) => now),
  before: values.against ? sum(({ before }) => before) : undefined,
});
for (const { folder, now, before } of rows) {
  const change =
    before === undefined ? "" : `  ${values.against}: ${before}  ${((now / before - 1) * 100).toFixed(1)} %`;
  console.log(`${folder.padEnd(16)} ${String(now).padStart(6)} lines of code${change}`);
}
