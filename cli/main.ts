/**
 * `imagegen`: drives stacks and looks after caches from the operator's machine. In: a command line. Out: one result on
 * stdout, progress on stderr, an exit code of exit.ts. Never touches a model's files itself: `image-gen` does that.
 */
import { Command, CommanderError } from "commander";
import { addCache } from "./commands/cache/index.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addDown } from "./commands/down.ts";
import { addLogs } from "./commands/logs.ts";
import { addMoveAz } from "./commands/move-az.ts";
import { addOpen } from "./commands/open.ts";
import { addPicture } from "./commands/picture.ts";
import { addPin } from "./commands/pin.ts";
import { addPlan } from "./commands/plan.ts";
import { addStart } from "./commands/start.ts";
import { addStatus } from "./commands/status.ts";
import { addStop } from "./commands/stop.ts";
import { addUp } from "./commands/up.ts";
import { interruptible } from "./core/context.ts";
import { CliError, EXIT, EXIT_MEANINGS, type ExitCode, oneLine } from "./core/exit.ts";

const CODES = EXIT_MEANINGS.map(([code, meaning]) => `  ${String(code).padStart(3)}  ${meaning}`).join("\n");

function buildProgram(signal: AbortSignal): Command {
  const program = new Command("imagegen")
    .description(
      "Deploys image-gen, a service that makes pictures and downloads its model once, and looks after its cache.",
    )
    .option("-s, --stack <name>", "the stack, as in stacks/Pulumi.<name>.yaml", "local")
    .option("--json", "print the result as JSON on stdout")
    .configureHelp({ showGlobalOptions: true })
    .addHelpText("afterAll", `\nExit codes:\n${CODES}`)
    .exitOverride()
    .showHelpAfterError("(imagegen --help shows what there is)");
  const life = [addUp, addDown, addPlan, addStatus, addLogs, addOpen, addPicture, addDoctor, addCache];
  for (const add of [...life, addStop, addStart, addPin, addMoveAz]) add(program, signal);
  return program;
}

async function main(args: readonly string[]): Promise<ExitCode> {
  const { signal } = interruptible();
  try {
    await buildProgram(signal).parseAsync([...args], { from: "user" });
    return signal.aborted ? EXIT.interrupted : EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (signal.aborted) return report(args, new CliError("interrupted", EXIT.interrupted));
    if (error instanceof CliError) return report(args, error);
    if (process.env.IMAGEGEN_DEBUG) console.error(error);
    return report(args, new CliError(`${oneLine(error)} (IMAGEGEN_DEBUG=1 shows where)`));
  }
}

/** One line on stderr; with --json also the reason as JSON, so that stdout is never empty. */
function report(args: readonly string[], error: CliError): ExitCode {
  if (error.message === "") return error.exitCode; // The command has printed its result, which says it all.
  process.stderr.write(`imagegen: ${error.message}\n`);
  if (args.includes("--json")) {
    process.stdout.write(`${JSON.stringify({ error: { message: error.message, exitCode: error.exitCode } })}\n`);
  }
  return error.exitCode;
}

process.exitCode = await main(process.argv.slice(2));
