import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Command, CommanderError } from "commander";
import { gcArguments } from "../../../../cli/commands/cache/gc.ts";
import { CliError } from "../../../../cli/core/exit.ts";
import { buildProgram } from "../../../../cli/program.ts";
import { parseConfigFlags } from "../../../../cli/stack/config.ts";
import { parseSettings } from "../../../../infra/config/parse.ts";
import { ALL_KEYS, targetOfKey } from "../../../../infra/config/schema.ts";
import { PROJECT } from "../../../../infra/contract.ts";
import { paths } from "../../paths.ts";
import { isPartial } from "../samples.ts";

/** What `imagegen` says of the arguments, before it does anything; null when it would begin. */
export function checkImagegen(args: readonly string[]): string | null {
  const words = args.filter((word) => word !== "…");
  const program = buildProgram(new AbortController().signal);
  let problem: string | null = null;
  const quiet = { writeOut: () => {}, writeErr: (text: string) => (problem ??= text.trim().split("\n")[0] ?? text) };
  for (const command of all(program)) {
    command.exitOverride().configureOutput(quiet);
    if (command.commands.length === 0) command.action(() => checkValues(command));
  }
  try {
    program.parse([...words], { from: "user" });
    return null;
  } catch (error) {
    if (error instanceof CliError) return error.message;
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return null;
    // Something is left out, so that only what is there can be wrong; a group of commands alone names the group.
    if ((isPartial(args) && error.code === "commander.missingArgument") || error.code === "commander.help") return null;
    return problem ?? error.message;
  }
}

const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];

/** What a command checks of its options by itself, before it looks at the stack. */
function checkValues(command: Command): void {
  const { stack, config, ...options } = command.optsWithGlobals<{ stack: string; config?: string[] }>();
  // A target makes a new stack of a name that has no file.
  const isNew = command.name() === "up" && config?.some((flag) => flag.startsWith("target="));
  if (!isNew && !existsSync(join(paths.root, "stacks", `Pulumi.${stack}.yaml`)))
    throw new CliError(`there is no stack ${stack} in stacks/`);
  if (command.name() === "gc") gcArguments(options);
  for (const [name, value] of Object.entries(parseConfigFlags(config ?? []))) {
    const problem = keyProblem(name, value);
    if (problem !== null) throw new CliError(problem);
  }
}

/** What is wrong with a key and its value; null for one that some target reads, with a value that it accepts. */
export function keyProblem(name: string, value: string): string | null {
  const key = name.replace(`${PROJECT}:`, "");
  const target = targetOfKey(key);
  const region = key === "aws:region" ? value : "us-east-1";
  const parsed = parseSettings({ target, ...(key === "aws:region" ? {} : { [key]: value }) }, { region });
  const spec = ALL_KEYS[key];
  // A rule between keys is no mistake in this one: its own parser decides.
  if (!("problems" in parsed) || (spec && "value" in spec.parse(value))) return null;
  const wrong = parsed.problems.find(({ path }) => path === name || path.endsWith(`:${key}`));
  return wrong ? `${key}: expected ${wrong.expected}, got ${wrong.got}` : null;
}
