import { createWriteStream, renameSync, rmSync, statSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import { execa } from "execa";
import { formatBytes } from "../../../infra/units.ts";
import { type CommonOptions, type Context, openContext, print } from "../../context.ts";
import { CliError } from "../../exit.ts";
import { findRunner } from "../../image-gen.ts";
import { isBucket, ownCode, passThrough } from "./pass-through.ts";

const DEFAULT_FILE = "model-cache-backup.tar";

const EXAMPLES = `
Examples:
  imagegen cache backup                              into ${DEFAULT_FILE}
  imagegen cache backup /mnt/models.tar.zst          compressed by zstd, by its ending (weights hardly shrink)
  imagegen cache backup /mnt/models.tar.gz           by gzip, which any tar reads (slow)
  imagegen cache backup s3://bucket/models.tar.zst   with the AWS_* variables that are set here
  imagegen cache backup - | ssh other 'cat > models.tar'`;

export function addBackup(cache: Command, signal: AbortSignal): void {
  cache
    .command("backup")
    .description("write the cache to a tar file")
    .argument("[file]", "a file or s3://bucket/key; - is stdout", DEFAULT_FILE)
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, _options: unknown, command: Command) => {
      const context = openContext(command.optsWithGlobals<CommonOptions>(), signal);
      // A bucket is written to from where the cache is; nothing comes through here.
      if (isBucket(file)) return passThrough(context, ["backup", "--output", file]);
      const bytes = await backup(context, file);
      if (file !== "-") print(context, { file, bytes }, () => `${file}: ${formatBytes(bytes)}`);
    });
}

/** Streams the backup to `file` under another name, which it loses only when all of it is there. Returns its bytes. */
async function backup(context: Context, file: string): Promise<number> {
  const { file: program, args, env } = await findRunner(context);
  const unfinished = `${file}.part`;
  const options = { env, reject: false, buffer: false, stdin: "ignore", stderr: "inherit" } as const;
  const child = execa(program, [...args, "backup", "--output", "-", ...compression(file)], {
    ...options,
    cancelSignal: context.signal,
  });
  try {
    const target = file === "-" ? process.stdout : createWriteStream(unfinished);
    const [result] = await Promise.all([child, pipeline(child.stdout, target, { end: file !== "-" })]);
    context.signal.throwIfAborted();
    if (result.exitCode !== 0)
      throw new CliError("The backup failed; nothing was written.", ownCode(result.exitCode ?? 1));
    if (file === "-") return 0;
    renameSync(unfinished, file);
    return statSync(file).size;
  } catch (error) {
    child.kill();
    if (file !== "-") rmSync(unfinished, { force: true });
    throw error;
  }
}

/** Told by option, as the file's name stays here: the archive comes through a pipe. */
export function compression(file: string): string[] {
  if (/\.(zst|tzst)$/.test(file)) return ["--zstd"];
  return /\.(gz|tgz)$/.test(file) ? ["--gzip"] : [];
}
