import { EXIT_CODES } from "../../infra/contract.ts";

/** How every command ends. */
export const EXIT = { ...EXIT_CODES, missingPrerequisite: 5, notRunning: 6 } as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** One line on each code, as `--help` shows them. */
export const EXIT_MEANINGS: ReadonlyArray<readonly [ExitCode, string]> = [
  [EXIT.ok, "done"],
  [EXIT.failed, "failed; the reason is on stderr, the full log in .imagegen/logs"],
  [EXIT.usage, "wrong arguments or stack config"],
  [EXIT.corrupt, "the cache has damaged or missing files"],
  [EXIT.notConfirmed, "not confirmed (--yes), nothing was changed"],
  [EXIT.missingPrerequisite, "this machine lacks something: Docker, Python, a free port, disk space"],
  [EXIT.notRunning, "nothing is running"],
  [EXIT.interrupted, "interrupted (Ctrl-C)"],
];

/** What happened, and what fixes it: a command or a page. The two stay apart until they are shown. */
export interface ErrorDetail {
  readonly message: string;
  readonly fix?: string | undefined;
}

/** An error that the user can act on: a line for each detail, and the exit code. `isShown`: they are on stderr already. */
export class CliError extends Error {
  readonly exitCode: ExitCode;
  readonly details: readonly ErrorDetail[];
  readonly isShown: boolean;

  constructor(
    detail: string | ErrorDetail | readonly ErrorDetail[],
    exitCode: ExitCode = EXIT.failed,
    { isShown = false } = {},
  ) {
    const details = typeof detail === "string" ? [{ message: detail }] : [detail].flat();
    super(details.map(formatDetail).join("\n"));
    this.name = "CliError";
    this.exitCode = exitCode;
    this.details = details;
    this.isShown = isShown;
  }
}

/** "What happened. Fix: a command". */
export function formatDetail({ message, fix }: ErrorDetail): string {
  if (!fix) return message;
  return `${/[.!?…]$/.test(message) ? message : `${message}.`} Fix: ${fix}`;
}

/** The first line of whatever was thrown, without "Error:" in front. */
export function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const line = text.split("\n").find((part) => part.trim() !== "") ?? "unknown error";
  return line.replace(/^(Uncaught )?\w*Error: /, "").trim();
}

/** The last line of a program's output, which is where most programs say why they failed. */
export function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
