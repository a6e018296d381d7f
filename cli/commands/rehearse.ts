import { type Command, Option } from "commander";
import { commandFor } from "../core/command-line.ts";
import { action, print } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { collect } from "../core/options.ts";
import { CASE_NAMES } from "../rehearsal/case-names.ts";
import { describeRehearsal } from "../rehearsal/render.ts";
import { parseConfigFlags, readText } from "../stack/config.ts";
import { targetsAws } from "../targets/select.ts";

const HELP = `
Examples:
  imagegen rehearse --stack aws-volume                     what is made, in which order, and what up says when AWS refuses
  imagegen rehearse --stack aws-volume --case capacity     one refusal alone
  imagegen rehearse --stack aws-volume --no-cases --config modelCache=baked

Needs no AWS account: a fake of AWS answers on this machine. Your credentials and the stack's state are not used.`;

interface RehearseFlags {
  readonly config?: string[];
  readonly case?: string[];
  readonly cases: boolean;
}

const NAMES: readonly string[] = CASE_NAMES;

export function addRehearse(program: Command, signal: AbortSignal): void {
  program
    .command("rehearse")
    .description("walk a stack's deployment to AWS against a fake of it on this machine, and its failures")
    .option(
      "--config <key=value>",
      "rehearse with this value of the stack's config, which is not kept; repeatable",
      collect,
    )
    .addOption(
      new Option("--case <name>", `rehearse this failure alone; repeatable: ${NAMES.join(", ")}`).argParser(
        collectCase,
      ),
    )
    .option("--no-cases", "rehearse no failure")
    .addHelpText("after", HELP)
    .action(
      action<RehearseFlags, []>(signal, async (context, { config = [], case: chosen, cases }) => {
        const { files, progress } = context;
        files.requireKnown();
        files.use(parseConfigFlags(config, files.name));
        if (!targetsAws(context)) {
          const target = readText(files.config(), "target") ?? "local";
          const message = `rehearse: expected a stack with target aws, got ${files.name}, which has target ${target}.`;
          throw new CliError({ message, fix: commandFor("aws-volume", "rehearse") }, EXIT.usage);
        }
        // Loaded here because the fake and its protocol take a second.
        const { rehearse } = await import("../rehearsal/rehearse.ts");
        const names = cases ? chosen : [];
        print(context, await progress.busy(() => rehearse(context, names)), describeRehearsal);
      }),
    );
}

function collectCase(name: string, all: string[] = []): string[] {
  if (NAMES.includes(name)) return [...all, name];
  const message = `--case: expected one of ${NAMES.join(", ")}, got "${name}".`;
  throw new CliError({ message, fix: "--case capacity" }, EXIT.usage);
}
