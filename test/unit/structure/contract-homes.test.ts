/** Each home of each fact of the contract is changed in a copy, and the check has to name it. */
import { describe, expect, test } from "vitest";
import { contractProblems, FACTS } from "../../../scripts/structure/contract-homes.ts";
import { readTree } from "../../../scripts/structure/source.ts";

const files = readTree(["compose.yaml", "Pulumi.yaml", "stacks", "image-gen"]);
const homes = FACTS.flatMap(({ name, homes }) =>
  homes.map((home) => ({ name, home, title: `${name} in ${home.path}, by ${home.find.source}` })),
);

/** The first statement of the fact with another value. */
function changed(text: string, find: RegExp): string {
  const match = new RegExp(find.source, find.flags.replace("g", "")).exec(text);
  if (!match?.[1]) return text;
  const at = match.index + match[0].indexOf(match[1]);
  const other = /^\d+$/.test(match[1]) ? String(Number(match[1]) + 1) : `${match[1]}x`;
  return text.slice(0, at) + other + text.slice(at + match[1].length);
}

test("the checkout's homes agree with the contract", () => {
  expect(contractProblems(files)).toEqual([]);
});

describe("a home that states something else", () => {
  test.each(homes)("is named: $title", ({ name, home }) => {
    const target = files.find(({ path, text }) => path === home.path && changed(text, home.find) !== text);
    if (!target) throw new Error(`${name} was not found in ${home.path}`);
    const copy = files.map((file) => (file === target ? { ...file, text: changed(file.text, home.find) } : file));
    const problems = contractProblems(copy);
    expect(
      problems.some(
        (problem) =>
          problem.startsWith(`${target.path}: ${name} is `) ||
          problem.startsWith(`${home.path}: ${name} is not stated`),
      ),
    ).toBe(true);
  });
});

describe("a home that states nothing any more", () => {
  test.each(homes)("is named: $title", ({ name, home }) => {
    const rest = files.filter(({ path }) => path !== home.path);
    expect(contractProblems(rest)).toContainEqual(expect.stringContaining(`${home.path}: ${name} is not stated`));
  });
});
