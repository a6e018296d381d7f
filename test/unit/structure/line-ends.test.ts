/** A checkout on Windows, where Git's own default is CRLF, gives Linux the files that it can run. */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

const [eol = ""] = [execFileSync("git", ["ls-files", "--eol"], { encoding: "utf8", maxBuffer: 2 ** 26 })];
/** `i/lf  w/lf  attr/text=auto eol=lf  <tab> path`. */
const files = eol
  .trim()
  .split("\n")
  .map((line) => {
    const [facts = "", path = ""] = line.split("\t");
    const [index = "", , ...attributes] = facts.trim().split(/\s+/);
    return { path, index, attributes: attributes.join(" ") };
  });

test("every text file is stored and checked out with LF, whatever core.autocrlf says", () => {
  expect(files.length).toBeGreaterThan(500);
  const text = files.filter(({ index }) => index !== "i/-text" && index !== "i/none");
  expect(text.filter(({ index }) => index !== "i/lf").map(({ path }) => path)).toEqual([]);
  expect(text.filter(({ attributes }) => !/\beol=lf\b/.test(attributes)).map(({ path }) => path)).toEqual([]);
});
