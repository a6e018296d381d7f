import { createReadStream, existsSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import { execa } from "execa";
import { type CommonOptions, type Context, openContext } from "../../core/context.ts";
import { CliError, EXIT } from "../../core/exit.ts";
import { findRunner } from "../../service/image-gen.ts";
import { isAws } from "../../targets/aws/stack/target.ts";
import { restartService } from "../../targets/restart.ts";
import { isBucket, ownCode, passThrough } from "./pass-through.ts";

interface RestoreOptions extends CommonOptions {
  readonly restart?: boolean;
}

const EXAMPLES = `
Examples:
  imagegen cache restore model-cache-backup.tar
  imagegen cache restore model-cache-backup.tar.gz --restart     one made by the guide's own tar command, too
  imagegen cache restore s3://bucket/models.tar.zst
  ssh other 'cat models.tar' | imagegen cache restore -
  imagegen cache restore s3://bucket/models.tar.zst --stack aws-volume --restart`;

export function addRestore(cache: Command, signal: AbortSignal): void {
  cache
    .command("restore")
    .description("put a backup in place of the cache, after every file in it was verified")
    .argument("<file>", "a .tar, .tar.gz or .tar.zst, or s3://bucket/key of one; - is stdin")
    .option("--restart", "restart the service afterwards")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<RestoreOptions>();
      const context = openContext(options, signal);
      if (isAws(context)) await (await import("../../targets/aws/operations/cache.ts")).restoreInAws(context, file);
      else if (isBucket(file)) await passThrough(context, ["restore", "--input", file]);
      else await restore(context, file);
      if (options.restart && (await restartService(context))) context.progress.line("The service was restarted.");
    });
}

async function restore(context: Context, file: string): Promise<void> {
  if (file !== "-" && !existsSync(file)) throw new CliError(`${file} does not exist.`, EXIT.usage);
  const { file: program, args, env } = await findRunner(context);
  const all = [...args, "restore", "--input", "-", ...(context.json ? ["--json"] : [])];
  const options = { env, reject: false, stdin: "pipe", stderr: "inherit", cancelSignal: context.signal } as const;
  const child = execa(program, all, options);
  const source = file === "-" ? process.stdin : createReadStream(file);
  // A child that ends early (a bad archive) closes the pipe; its exit code says more than that does.
  const [result] = await Promise.all([child, pipeline(source, child.stdin).catch(() => {})]);
  context.signal.throwIfAborted();
  if (result.stdout !== "") process.stdout.write(`${result.stdout}\n`);
  if (result.exitCode === 0) return;
  throw new CliError(`${file} was not restored; the cache is as it was.`, ownCode(result.exitCode ?? 1));
}
