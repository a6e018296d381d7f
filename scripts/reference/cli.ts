import type { Command } from "commander";
import { EXIT_MEANINGS } from "../../cli/core/exit.ts";
import { buildProgram } from "../../cli/program.ts";
import { CLI_ENVIRONMENT } from "./cli-environment.ts";
import { block, code, page, table } from "./markdown.ts";

const WIDTH = 110;

/** The program as it is, with help of one width on every terminal. */
export function program(): Command {
  const root = buildProgram(new AbortController().signal);
  for (const command of [root, ...leaves(root)])
    command.configureOutput({ getOutHelpWidth: () => WIDTH, getOutHasColors: () => false });
  return root;
}

/** Every command that does something, without its parents. */
export function leaves(command: Command): Command[] {
  return command.commands.flatMap((child) => (child.commands.length > 0 ? leaves(child) : [child]));
}

/** `cache status`, without the program's own name. */
export function nameOf(command: Command): string {
  const parent = command.parent;
  return parent?.parent ? `${nameOf(parent)} ${command.name()}` : command.name();
}

export function cliPage(): string {
  const root = program();
  const shared = table(["option", "meaning", "default"], optionRows(root));
  return page(
    "The command line: `imagegen`",
    "Run it as `npm run imagegen -- <command>` or `npx imagegen <command>` in the checkout; `npm start` is " +
      "`imagegen up`. Results go to stdout, progress to stderr. A progress bar is drawn only on a terminal.",
    table(
      ["command", "does"],
      leaves(root).map((command) => [
        `[\`${nameOf(command)}\`](#imagegen-${nameOf(command).replaceAll(" ", "-")})`,
        command.description(),
      ]),
    ),
    `## Options of every command\n\n${shared}`,
    "What `--json` prints is described in [JSON output](json-output.md), how a command ends in [exit codes](exit-codes.md).",
    ...leaves(root).map(section),
    "## Environment variables of `imagegen`",
    "For those of the service, see [environment variables](environment.md).",
    table(
      ["variable", "meaning"],
      Object.entries(CLI_ENVIRONMENT).map(([name, meaning]) => [code(name), meaning]),
    ),
  );
}

function section(command: Command): string {
  const options = table(["option", "meaning", "default"], [...argumentRows(command), ...optionRows(command)]);
  const parts = [
    `## imagegen ${nameOf(command)}`,
    sentence(command.description()),
    block(`imagegen ${nameOf(command)} ${command.usage()}`),
    options,
    helpAfter(command),
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

function argumentRows(command: Command): string[][] {
  return command.registeredArguments.map((argument) => [
    code(argument.required ? `<${argument.name()}>` : `[${argument.name()}]`),
    argument.description,
    "",
  ]);
}

function optionRows(command: Command): string[][] {
  return command.options.map((option) => {
    // A flag such as --no-picture has the default "true", which means only that it was not given.
    const value = option.defaultValue === undefined || option.negate ? "" : code(String(option.defaultValue));
    return [code(option.flags), option.description, value];
  });
}

/** What the help says below the options: examples and notes. */
function helpAfter(command: Command): string {
  const written: string[] = [];
  command.configureOutput({ writeOut: (part) => written.push(part), getOutHelpWidth: () => WIDTH });
  command.outputHelp();
  const text = written.join("");
  const after = text.slice(text.indexOf(command.helpInformation()) + command.helpInformation().length);
  const own = after.slice(0, after.indexOf("\nExit codes:")).trim();
  const [examples = "", ...notes] = own.replace(/^Examples:\n/, "").split("\n\n");
  return [examples === "" ? "" : block(examples.replace(/^ {2}/gm, "")), ...notes].filter(Boolean).join("\n\n");
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

export function exitCodesPage(imageGenCodes: readonly (readonly [number, string])[]): string {
  return page(
    "Exit codes",
    "## imagegen",
    table(
      ["code", "meaning"],
      EXIT_MEANINGS.map(([number, meaning]) => [number, meaning]),
    ),
    'With `--json`, a failure also prints `{"error": {…}}` on stdout, so that stdout is never empty; see ' +
      "[JSON output](json-output.md). `cache` commands pass on the codes of `image-gen`.",
    "## image-gen",
    "The command in the container, which the `cache` commands run.",
    table(["code", "meaning"], imageGenCodes),
  );
}
