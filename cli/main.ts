import { CommanderError } from "commander";
import { DEFAULT_STACK } from "../infra/contract.ts";
import { explainFileError } from "./bootstrap.mjs";
import { commandFor } from "./core/command-line.ts";
import { abortOnSignal } from "./core/context.ts";
import { CliError, EXIT, type ExitCode, firstLine } from "./core/exit.ts";
import { buildProgram } from "./program.ts";

async function main(args: readonly string[]): Promise<ExitCode> {
  const { signal } = abortOnSignal();
  try {
    await buildProgram(signal).parseAsync([...args], { from: "user" });
    return signal.aborted ? EXIT.interrupted : EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : wrongUsage(args, error);
    if (signal.aborted) return report(args, interrupted(error));
    if (error instanceof CliError) return report(args, error);
    if (process.env.IMAGEGEN_DEBUG) console.error(error);
    const reason = explainFileError(error);
    if (reason) return report(args, new CliError(reason));
    return report(args, new CliError(`${firstLine(error)} (stack trace: IMAGEGEN_DEBUG=1)`));
  }
}

/** What was going on when Ctrl-C came: the command's own account of what it leaves, if it has one. */
function interrupted(error: unknown): CliError {
  const details = error instanceof CliError && error.exitCode === EXIT.interrupted ? error.details : "interrupted";
  return new CliError(details, EXIT.interrupted);
}

/** Commander has printed the error, or its help, on stderr. */
function wrongUsage(args: readonly string[], { code, message }: CommanderError): ExitCode {
  const text = code === "commander.help" ? "Expected a command." : message.replace(/^error: /, "");
  reportJson(args, new CliError({ message: text, fix: commandFor(DEFAULT_STACK, "--help") }, EXIT.usage));
  return EXIT.usage;
}

/** The error on stderr; with --json also as JSON, so that stdout is never empty. */
function report(args: readonly string[], error: CliError): ExitCode {
  const { message, exitCode } = error;
  if (message === "") return exitCode; // The command has printed its result, which shows the failure.
  if (!error.isShown) process.stderr.write(`imagegen: ${message}\n`);
  reportJson(args, error);
  return exitCode;
}

function reportJson(args: readonly string[], { message, details, exitCode }: CliError): void {
  if (args.includes("--json")) process.stdout.write(`${JSON.stringify({ error: { message, exitCode, details } })}\n`);
}

for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    // A reader that has enough, such as `head`, is no error.
    if (error.code === "EPIPE") process.exit();
    const text = `The output can't be written: ${error.message}. Fix: make room where it is sent, or send it elsewhere.`;
    if (stream === process.stdout) process.stderr.write(`imagegen: ${text}\n`);
    process.exit(EXIT.failed);
  });

process.exitCode = await main(process.argv.slice(2));
