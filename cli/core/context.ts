import type { Command } from "commander";
import { StackFiles } from "../stack/files.ts";
import type { Paths } from "./paths.ts";
import { pathsOf } from "./paths.ts";
import { type Progress, progressTo } from "./progress.ts";

/** What every command and target works with. */
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

/**
 * A commander action: `run` gets the context, the command's options together with the common ones, and its arguments. `stack`: the one
 * that it is about where none is named, if it is not the program's default.
 */
export function action<Options extends object, Args extends (string | undefined)[]>(
  signal: AbortSignal,
  run: (context: Context, options: Options & CommonOptions, ...args: Args) => Promise<void>,
  stack?: string,
): (...passed: unknown[]) => Promise<void> {
  return async (...passed) => {
    const command = passed.at(-1) as Command;
    const options = command.optsWithGlobals<Options & CommonOptions>();
    const paths = pathsOf();
    const isDefault = command.getOptionValueSourceWithGlobals("stack") === "default";
    const files = new StackFiles(paths, isDefault ? (stack ?? options.stack) : options.stack);
    const context = { paths, files, progress: progressTo(process.stderr), json: options.json === true, signal };
    await run(context, options, ...(passed.slice(0, -2) as Args));
  };
}

/** Prints a command's result on stdout: JSON with --json, else the lines that `text` makes of it. */
export function print<T>(context: Pick<Context, "json" | "progress">, result: T, text: (result: T) => string): void {
  context.progress.stop();
  const out = context.json ? JSON.stringify(result, null, 2) : text(result);
  if (out !== "") process.stdout.write(`${out}\n`);
}

/** Name and value in aligned columns; rows without a value are left out. */
export function alignRows(rows: readonly (readonly [string, string | null | undefined])[], width: number): string {
  const shown = rows.filter(([, value]) => value);
  return shown.map(([name, value]) => `${name.padEnd(width)} ${value}`).join("\n");
}

/** Ctrl-C and its kin as a signal for everything that runs; the second one, a second later, ends the process. */
export function abortOnSignal(): AbortController {
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
