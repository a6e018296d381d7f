/** The structure checks of `npm run check` find what they are for. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { sharedNames } from "../../../scripts/structure/exported-names.ts";
import { folderProblems } from "../../../scripts/structure/folders.ts";
import { describeWays, filesOnTheWay, MOST, WAYS } from "../../../scripts/structure/import-path.ts";
import { codeLines, type SourceFile } from "../../../scripts/structure/source.ts";
import { retiredTerms } from "../../../scripts/structure/terms.ts";

const file = (path: string, text: string): SourceFile => ({ path, text });

// biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a template is what is read.
const TEMPLATE = "const b = `${/* inside */ a} /* text */`;";

describe("code lines", () => {
  test("of TypeScript are without comments; strings, templates and regular expressions are kept", () => {
    const text = [
      "/** Doc. */",
      'const a = "// not a comment"; // a comment',
      TEMPLATE,
      "const c = /[/*]\\/\\//.test(a);",
      "/*",
      " block */",
      "",
    ].join("\n");
    const lines = codeLines([file("a.ts", text)])
      .get("a.ts")
      ?.map((line) => line.trimEnd());
    expect(lines).toEqual(['const a = "// not a comment";', TEMPLATE, "const c = /[/*]\\/\\//.test(a);"]);
  });

  test("of Python are without comments and docstrings", () => {
    const text =
      '"""Doc."""\n\n# comment\nx = "# text"  # why\n\n\ndef f():\n    """Two\n    lines."""\n    return """kept"""\n';
    const lines = codeLines([file("a.py", text)])
      .get("a.py")
      ?.map((line) => line.trimEnd());
    expect(lines).toEqual(['x = "# text"', "def f():", '    return """kept"""']);
  });
});

test("a name that two files export is found, one in a comment is not", () => {
  const files = [
    file("a.ts", "export function read() {}"),
    file("b.ts", "export const read = 1;"),
    file("c.ts", "// export const read = 1;"),
  ];
  expect(sharedNames(files)).toEqual([expect.stringContaining("read is exported by a.ts, b.ts.")]);
});

test("a folder with too many files, and one that says nothing about itself, are found", () => {
  const full = Array.from({ length: 17 }, (_, index) => file(`full/file-${index}.ts`, ""));
  const described = [file("good/index.ts", "/** What is here. */"), file("good/a.ts", "")];
  expect(folderProblems([...full, ...described])).toEqual([
    expect.stringContaining("full has 17 files"),
    expect.stringContaining("full does not say what it holds"),
  ]);
});

describe("retired terms", () => {
  test.each([
    ["an identifier in camel case", "const x = letGo();"],
    ["an identifier in snake case", "x = let_go()"],
    ["a name in kebab case", 'import "./let-go.ts";'],
    ["a comment", "// They let go of it."],
    ["a message", '"It was let go"'],
  ])("are found in %s", (_, text) => {
    expect(retiredTerms([file("cli/a.ts", text)])).toEqual([
      expect.stringMatching(/^cli\/a\.ts:1: "let go" is retired/),
    ]);
  });

  test("are found as exact identifiers in code", () => {
    const [problem] = retiredTerms([file("cli/a.ts", "class LocalStack {}\nconst localStacks = 1;")]);
    expect(problem).toMatch(/^cli\/a\.ts:1: "LocalStack" is retired\. Fix: use AutomationStack$/);
  });

  test("are found in a file's name, and not inside another word", () => {
    expect(retiredTerms([file("cli/mend.ts", "")])).toEqual([expect.stringContaining("its name")]);
    expect(retiredTerms([file("cli/a.ts", "amendment, recommend")])).toEqual([]);
  });
});

describe.each(WAYS)("the way of $title", (way) => {
  test(`has at most ${MOST} files`, () => {
    expect(filesOnTheWay(way).length).toBeLessThanOrEqual(MOST);
  });

  test("ends with an error when an end was renamed", () => {
    expect(() => filesOnTheWay({ ...way, legs: [[/there is no such line/, /nor this one/]] })).toThrow("WAYS");
  });
});

test("CONTRIBUTING.md has the ways that `npm run import-path` prints", () => {
  const [, ways] =
    /<!-- ways:begin -->\n([\s\S]*?)\n<!-- ways:end -->/.exec(readFileSync("CONTRIBUTING.md", "utf8")) ?? [];
  expect(ways?.trim()).toBe(describeWays());
});
