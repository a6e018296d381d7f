import { StackFiles } from "../stack/files.ts";
import type { Paths } from "./paths.ts";
import { pathsOf } from "./paths.ts";
import { type Progress, progressTo } from "./progress.ts";

/** What every command is given. */
export interface Context {
  readonly paths: Paths;
  readonly files: StackFiles;
  readonly progress: Progress;
  readonly json: boolean;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

/** The options that every command has. */
export interface CommonOptions {
  readonly stack: string;
  readonly json?: boolean;
}

export function openContext(options: CommonOptions, signal: AbortSignal): Context {
  const paths = pathsOf();
  const progress = progressTo(process.stderr);
  return { paths, files: new StackFiles(paths, options.stack), progress, json: options.json === true, signal };
}

/** Prints a command's result on stdout: JSON with --json, else the lines that `text` makes of it. */
export function print<T>(context: Pick<Context, "json" | "progress">, result: T, text: (result: T) => string): void {
  context.progress.settle();
  const out = context.json ? JSON.stringify(result, null, 2) : text(result);
  if (out !== "") process.stdout.write(`${out}\n`);
}

/** Ctrl-C and its kin as a signal for everything that runs; the second one, a second later, ends the process. */
export function interruptible(): AbortController {
  const controller = new AbortController();
  let first = 0;
  const onSignal = () => {
    if (controller.signal.aborted && performance.now() - first > 1000) process.exit(130);
    if (controller.signal.aborted) return;
    first = performance.now();
    controller.abort(new Error("interrupted"));
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, onSignal);
  return controller;
}
