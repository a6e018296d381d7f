import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readTree } from "../../../scripts/structure/source.ts";
import { paths } from "../paths.ts";
import type { Printed } from "./printed.ts";
import { commandsInScript, commandsInWorkflow } from "./sources/lines.ts";
import { commandsInMarkdown } from "./sources/markdown.ts";
import { commandsInPython } from "./sources/python.ts";
import { commandsInTypescript } from "./sources/typescript.ts";

/** What is read, and how: the first row that fits a path. */
const SOURCES: readonly (readonly [RegExp, (file: string, text: string) => Printed[]])[] = [
  [/^(docs|bench)\/.*\.md$|^(README|SECURITY|CONTRIBUTING|CHANGELOG)\.md$|^\.github\/.*\.md$/, commandsInMarkdown],
  [/^(cli|infra|policy)\/.*\.(ts|mjs)$/, commandsInTypescript],
  [/^\.github\/.*\.yml$/, commandsInWorkflow],
  [
    /^(infra\/aws\/host\/files|scripts\/ci|image-gen\/docker)\/|^image-gen\/Dockerfile$|^compose.*\.yaml$|^stacks\//,
    commandsInScript,
  ],
  [/^Pulumi\.yaml$/, (file, text) => commandsInScript(file, text.replaceAll("description:", "# "))],
];
const PYTHON = /^image-gen\/(src|docker)\/.*\.py$/;

/** Every command that the checkout prints. */
export function printedCommands(): Printed[] {
  const files = readTree(["."]).map(({ path }) => path);
  const found = files.flatMap((file) => {
    const read = SOURCES.find(([pattern]) => pattern.test(file))?.[1];
    return read ? read(file, readFileSync(join(paths.root, file), "utf8")) : [];
  });
  return [...found, ...commandsInPython(files.filter((file) => PYTHON.test(file)))];
}
