/**
 * `imagegen`: drives stacks and looks after caches from the operator's machine. In: a command line. Out: one result on
 * stdout, progress on stderr, an exit code of exit.ts. Never touches a model's files itself: `image-gen` does that.
 */
import { CommanderError } from "commander";
import { interruptible } from "./core/context.ts";
import { CliError, EXIT, type ExitCode, oneLine } from "./core/exit.ts";
import { buildProgram } from "./program.ts";

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
