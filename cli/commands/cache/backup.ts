import { createWriteStream, renameSync, rmSync, statSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import { execa } from "execa";
import { formatBytes } from "../../../infra/units.ts";
import { compression } from "../../core/archive-options.ts";
import { type CommonOptions, type Context, openContext, print } from "../../core/context.ts";
import { CliError, EXIT } from "../../core/exit.ts";
import { findRunner } from "../../service/image-gen.ts";
import { isAws } from "../../targets/aws/stack/target.ts";
import { isBucket, ownCode, passThrough } from "./pass-through.ts";

const DEFAULT_FILE = "model-cache-backup.tar";

const EXAMPLES = `
Examples:
  imagegen cache backup                              into ${DEFAULT_FILE}
  imagegen cache backup /mnt/models.tar.zst          compressed by zstd, by its ending (weights hardly shrink)
  imagegen cache backup /mnt/models.tar.gz           by gzip, which any tar reads (slow)
  imagegen cache backup - | ssh other 'cat > models.tar'
  imagegen cache backup s3://bucket/models.tar.zst   with the AWS_* variables that are set here; of a host in AWS, with its role
  imagegen cache backup --snapshot --stack aws-volume   of the whole volume, by EBS`;

interface BackupOptions extends CommonOptions {
  readonly snapshot?: boolean;
}

export function addBackup(cache: Command, signal: AbortSignal): void {
  cache
    .command("backup")
    .description("write the cache to a tar file")
    .argument("[file]", `a file or s3://bucket/key (default: ${DEFAULT_FILE}); - is stdout`)
    .option("--snapshot", "of a host in AWS: a snapshot of its volume instead")
    .addHelpText("after", EXAMPLES)
    .action(async (named: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<BackupOptions>();
      const context = openContext(options, signal);
      if (isAws(context))
        return (await import("../../targets/aws/operations/cache.ts")).backupInAws(context, named, options);
      if (options.snapshot) throw new CliError("--snapshot: only a volume in AWS can have one.", EXIT.usage);
      const file = named ?? DEFAULT_FILE;
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
