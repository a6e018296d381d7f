import { parse } from "yaml";
import type { Printed } from "../printed.ts";
import { commandsInText } from "../sentence.ts";

/** The functions of the scripts that print. */
const PRINTS = /\b(?:console|fail|need|refuse|say|trouble) |Fix: /;

/** The commands in what a script prints, and in its comments. */
export function commandsInScript(file: string, text: string): Printed[] {
  return text
    .replaceAll("\\\n", " ")
    .split("\n")
    .flatMap((line, at) => {
      const fix = PRINTS.test(line)
        ? [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, part]) => part).join("\n")
        : undefined;
      const printed = fix ?? /(?:^|\s)#[^!](.*)/.exec(line)?.[1] ?? "";
      const shown = printed.replaceAll(/\$\{?(\w+)[^}\s"]*\}?/g, "<$1>").replaceAll(/\$\((\w+)[^)]*\)/g, "<$1>");
      const commands = commandsInText(shown.replaceAll("\\`", "`"));
      return commands.map((command) => ({
        where: `${file}:${at + 1}`,
        command,
        reader: "shell" as const,
        mention: fix === undefined,
      }));
    });
}

/** The steps of a workflow, line by line. */
export function commandsInWorkflow(file: string, text: string): Printed[] {
  const found: Printed[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const each of value) visit(each);
    if (typeof value !== "object" || value === null) return;
    for (const [key, child] of Object.entries(value)) {
      if (key !== "run" || typeof child !== "string") visit(child);
      else {
        const lines = child.replaceAll("\\\n", " ").split("\n");
        found.push(...lines.filter(Boolean).map((command) => ({ where: file, command, reader: "shell" as const })));
      }
    }
  };
  visit(parse(text));
  return found;
}
