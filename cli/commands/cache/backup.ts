import type { Command } from "commander";
import { formatBytes } from "../../../infra/units.ts";
import { action, print } from "../../core/context.ts";
import { CliError, EXIT } from "../../core/exit.ts";
import { selectTarget } from "../../targets/select.ts";
import { requireHost } from "../host.ts";

const HELP = `
Examples:
  imagegen cache backup                              to model-cache-backup.tar
  imagegen cache backup /mnt/models.tar.zst          compressed by zstd (weights hardly shrink)
  imagegen cache backup /mnt/models.tar.gz           by gzip, which any tar reads (slow)
  imagegen cache backup - | ssh other 'cat > models.tar'
  imagegen cache backup s3://bucket/models.tar.zst   with your AWS_* variables; from a host in AWS, with its role
  imagegen cache backup --snapshot --stack aws-volume   the whole volume, as an EBS snapshot`;

export function addBackup(cache: Command, signal: AbortSignal): void {
  cache
    .command("backup")
    .description("write the cache to a tar file")
    .argument("[file]", "a file or s3://bucket/key (default: model-cache-backup.tar); - is stdout")
    .option("--snapshot", "AWS: make a snapshot of the volume instead")
    .addHelpText("after", HELP)
    .action(
      action<{ snapshot?: boolean }, [string | undefined]>(signal, async (context, options, file) => {
        if (options.snapshot) {
          if (file !== undefined) throw new CliError(`--snapshot: expected no file, got "${file}".`, EXIT.usage);
          const made = await (await requireHost(context, "cache backup")).snapshot();
          return print(context, made, ({ snapshot, volume }) => `${snapshot}: a snapshot of ${volume}`);
        }
        const made = await (await selectTarget(context)).backup(file);
        if (file !== "-") print(context, made, (result) => `${result.file}: ${formatBytes(result.bytes)}`);
      }),
    );
}
