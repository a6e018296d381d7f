/** How every command ends. The numbers are part of the contract: docs/cli.md and `--help` list them. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  damaged: 3,
  refused: 4,
  machine: 5,
  notRunning: 6,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** One line on each code, as `--help` shows them. */
export const EXIT_MEANINGS: ReadonlyArray<readonly [ExitCode, string]> = [
  [EXIT.ok, "done"],
  [EXIT.failed, "failed; the reason is on stderr, the whole story in .imagegen/logs"],
  [EXIT.usage, "wrong arguments or stack config"],
  [EXIT.damaged, "the cache has damaged or missing files"],
  [EXIT.refused, "not confirmed (--yes), nothing was changed"],
  [EXIT.machine, "this machine lacks something: Docker, Python, a free port, disk room"],
  [EXIT.notRunning, "nothing is running"],
  [EXIT.interrupted, "interrupted (Ctrl-C)"],
];

/** An end that a user can act on: one line that says what is wrong and what to do, and the exit code. */
export class CliError extends Error {
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode = EXIT.failed) {
    super(message);
    this.name = "CliError";
    this.exitCode = exitCode;
  }
}

/** The first line of whatever was thrown, without "Error:" in front. */
export function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const line = text.split("\n").find((part) => part.trim() !== "") ?? "unknown error";
  return line.replace(/^(Uncaught )?\w*Error: /, "").trim();
}
