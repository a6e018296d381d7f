import { CommanderError } from "commander";
import { abortOnSignal } from "./core/context.ts";
import { CliError, EXIT, type ExitCode, firstLine } from "./core/exit.ts";
import { buildProgram } from "./program.ts";

async function main(args: readonly string[]): Promise<ExitCode> {
  const { signal } = abortOnSignal();
  try {
    await buildProgram(signal).parseAsync([...args], { from: "user" });
    return signal.aborted ? EXIT.interrupted : EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (signal.aborted) return report(args, interrupted(error));
    if (error instanceof CliError) return report(args, error);
    if (process.env.IMAGEGEN_DEBUG) console.error(error);
    return report(args, new CliError(`${firstLine(error)} (stack trace: IMAGEGEN_DEBUG=1)`));
  }
}

/** What was going on when Ctrl-C came: the command's own account of what it leaves, if it has one. */
function interrupted(error: unknown): CliError {
  const details = error instanceof CliError && error.exitCode === EXIT.interrupted ? error.details : "interrupted";
  return new CliError(details, EXIT.interrupted);
}

/** The error on stderr; with --json also as JSON, so that stdout is never empty. */
function report(args: readonly string[], error: CliError): ExitCode {
  const { message, details, exitCode } = error;
  if (message === "") return exitCode; // The command has printed its result, which shows the failure.
  process.stderr.write(`imagegen: ${message}\n`);
  if (args.includes("--json")) process.stdout.write(`${JSON.stringify({ error: { message, exitCode, details } })}\n`);
  return exitCode;
}

// A reader that has enough, such as `head`, is no error.
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit();
  });

process.exitCode = await main(process.argv.slice(2));
