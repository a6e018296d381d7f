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
import { addVolume } from "./commands/volume.ts";
import { DEFAULT_STACK } from "./core/command-line.ts";
import { abortOnSignal } from "./core/context.ts";
import { CliError, EXIT, EXIT_MEANINGS, type ExitCode, firstLine } from "./core/exit.ts";

const CODES = EXIT_MEANINGS.map(([code, meaning]) => `  ${String(code).padStart(3)}  ${meaning}`).join("\n");

function buildProgram(signal: AbortSignal): Command {
  const program = new Command("imagegen")
    .description(
      "Deploys image-gen, a service that makes pictures and downloads its model once, and manages its cache.",
    )
    .option("-s, --stack <name>", "the stack, as in stacks/Pulumi.<name>.yaml", DEFAULT_STACK)
    .option("--json", "print the result as JSON on stdout")
    .configureHelp({ showGlobalOptions: true })
    .addHelpText("afterAll", `\nExit codes:\n${CODES}`)
    .exitOverride()
    .showHelpAfterError("Run `imagegen --help` for a list of commands.");
  const common = [addUp, addDown, addPlan, addStatus, addLogs, addOpen, addPicture, addDoctor, addCache];
  for (const add of [...common, addStop, addStart, addPin, addMoveAz, addVolume]) add(program, signal);
  return program;
}

async function main(args: readonly string[]): Promise<ExitCode> {
  const { signal } = abortOnSignal();
  try {
    await buildProgram(signal).parseAsync([...args], { from: "user" });
    return signal.aborted ? EXIT.interrupted : EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (signal.aborted) return report(args, new CliError("interrupted", EXIT.interrupted));
    if (error instanceof CliError) return report(args, error);
    if (process.env.IMAGEGEN_DEBUG) console.error(error);
    return report(args, new CliError(`${firstLine(error)} (stack trace: IMAGEGEN_DEBUG=1)`));
  }
}

/** The error on stderr; with --json also as JSON, so that stdout is never empty. */
function report(args: readonly string[], error: CliError): ExitCode {
  const { message, details, exitCode } = error;
  if (message === "") return exitCode; // The command has printed its result, which shows the failure.
  process.stderr.write(`imagegen: ${message}\n`);
  if (args.includes("--json")) process.stdout.write(`${JSON.stringify({ error: { message, exitCode, details } })}\n`);
  return exitCode;
}

process.exitCode = await main(process.argv.slice(2));
