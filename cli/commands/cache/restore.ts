import type { Command } from "commander";
import { action } from "../../core/context.ts";
import { withStackLock } from "../../core/stack-lock.ts";
import { selectTarget } from "../../targets/select.ts";
import { printOutput } from "./pass-through.ts";

const HELP = `
Examples:
  imagegen cache restore model-cache-backup.tar
  imagegen cache restore model-cache-backup.tar.gz --restart     archives of the guide's tar command work, too
  imagegen cache restore s3://bucket/models.tar.zst
  ssh other 'cat models.tar' | imagegen cache restore -
  imagegen cache restore s3://bucket/models.tar.zst --stack aws-volume --restart`;

export function addRestore(cache: Command, signal: AbortSignal): void {
  cache
    .command("restore")
    .description("replace the cache by a backup, after every file in it was verified")
    .argument("<file>", "a .tar, .tar.gz or .tar.zst, or s3://bucket/key of one; - is stdin")
    .option("--restart", "restart the service afterwards")
    .addHelpText("after", HELP)
    .action(
      action<{ restart?: boolean }, [string]>(signal, async (context, { restart }, file) => {
        const target = await selectTarget(context);
        const { paths, files, progress } = context;
        const work = async () => {
          printOutput(context, await target.restore(file), `${file} was not restored; the cache is unchanged.`);
          if (restart && (await target.restart({ wait: false }))) progress.log("The service was restarted.");
        };
        await (restart ? withStackLock(paths, files.name, "cache restore --restart", work) : work());
      }),
    );
}
