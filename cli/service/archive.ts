import {
  accessSync,
  closeSync,
  constants,
  createReadStream,
  createWriteStream,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { execa } from "execa";
import { commandFor } from "../core/command-line.ts";
import type { Context } from "../core/context.ts";
import { CliError, EXIT, firstLine } from "../core/exit.ts";
import { requireOutput, statOf } from "../core/output-file.ts";
import { type CommandResult, type Exec, execJson, toExitCode } from "./image-gen.ts";

/** A program that runs `image-gen` beside the cache: the arguments before the command's own, and the environment. */
export interface Runner {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Record<string, string>;
}

type CommandContext = Pick<Context, "json" | "signal">;
type Cache = { readonly stack: string; readonly exec: Exec };

const DEFAULT_ARCHIVE = "model-cache-backup.tar";

/** The options that compress a backup as the ending of its name says: the archive itself comes through a pipe. */
export function compressionOptions(file: string): string[] {
  if (/\.(zst|tzst)$/.test(file)) return ["--zstd"];
  return /\.(gz|tgz)$/.test(file) ? ["--gzip"] : [];
}

/** Whether a backup's place is one that `image-gen` itself reads and writes. */
export function isBucket(place: string): boolean {
  return place.startsWith("s3://");
}

/** Streams the archive to a file under a temporary name, which it gets only when all of it is there; "-" is stdout. */
export async function backupToFile(
  context: CommandContext,
  cache: Cache,
  findRunner: () => Promise<Runner>,
  file = DEFAULT_ARCHIVE,
): Promise<{ file: string; bytes: number }> {
  if (isBucket(file)) {
    const report = await execJson<{ bytes: number }>(cache, ["backup", "--output", file]);
    return { file, bytes: report.bytes };
  }
  const toStdout = file === "-";
  if (!toStdout) requireOutput(file);
  const partial = `${file}.part`;
  const child = spawn(context, await findRunner(), ["backup", "--output", "-", ...compressionOptions(file)]);
  child.stdin.end();
  try {
    const output = toStdout ? process.stdout : createWriteStream(partial, { flush: true });
    const [{ exitCode }] = await Promise.all([child, pipeline(child.stdout, output, { end: !toStdout })]);
    context.signal.throwIfAborted();
    if (exitCode !== 0) throw new CliError("The backup failed; nothing was written.", toExitCode(exitCode));
    if (!toStdout) renameForGood(partial, file);
    return { file, bytes: toStdout ? 0 : statSync(file).size };
  } catch (error) {
    child.kill();
    if (!toStdout) rmSync(partial, { force: true });
    // An error of a write names no file, and so not whose disk is full.
    if (!toStdout && error instanceof Error && "syscall" in error && error.syscall === "write")
      Object.assign(error, { path: file });
    throw error;
  }
}

/** Renames a file whose content is on the disk, so that the name outlasts a power cut, too. */
function renameForGood(partial: string, file: string): void {
  renameSync(partial, file);
  const folder = openSync(dirname(file), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Streams an archive into `image-gen restore`; "-" is stdin. */
export async function restoreFromFile(
  context: CommandContext,
  cache: Cache,
  findRunner: () => Promise<Runner>,
  file: string,
): Promise<CommandResult> {
  const json = context.json ? ["--json"] : [];
  if (isBucket(file)) return cache.exec(["restore", "--input", file, ...json], { ownContainer: true });
  if (file !== "-") requireArchive(file, commandFor(cache.stack, "cache restore <file>"));
  const child = spawn(context, await findRunner(), ["restore", "--input", "-", ...json]);
  const output = child.stdout.setEncoding("utf8").toArray();
  const source = file === "-" ? process.stdin : createReadStream(file);
  let unreadable: Error | undefined;
  source.on("error", (error: Error) => {
    unreadable = error;
  });
  // A child that ends early (a bad archive) closes the pipe; its exit code says more than that error.
  const [{ exitCode }] = await Promise.all([child, pipeline(source, child.stdin).catch(() => {})]);
  context.signal.throwIfAborted();
  if (unreadable) throw new CliError(`${file} can't be read: ${firstLine(unreadable)}. The cache is unchanged.`);
  return { exitCode: toExitCode(exitCode), stdout: (await output).join("").trimEnd() };
}

/** Throws a CliError unless `file` is there, is no folder, and may be read. */
function requireArchive(file: string, fix: string): void {
  const found = statOf(file);
  if (!found) throw new CliError({ message: `${file} does not exist.`, fix }, EXIT.usage);
  if (found.isDirectory()) throw new CliError({ message: `${file} is a folder, not an archive.`, fix }, EXIT.usage);
  try {
    accessSync(file, constants.R_OK);
  } catch {
    throw new CliError({ message: `${file} can't be read by this user.`, fix: `ls -l '${file}'` }, EXIT.usage);
  }
}

/** `image-gen` with both ends as streams. */
function spawn({ signal }: CommandContext, { file, args: front, env }: Runner, args: readonly string[]) {
  const options = { env, reject: false, buffer: false, stderr: "inherit", cancelSignal: signal } as const;
  return execa(file, [...front, ...args], { ...options, stdin: "pipe", stdout: "pipe" });
}
