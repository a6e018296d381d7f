import { formatBytes } from "../../../../infra/units.ts";
import { type Context, print } from "../../../core/context.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import { openStack } from "../stack/stack.ts";
import { backupToS3, requireS3, restoreFromS3 } from "./backup.ts";
import { snapshotVolume } from "./snapshot.ts";

/** `cache backup` of a stack in AWS: to an object in S3, or as a snapshot of the volume. */
export async function backupInAws(
  context: Context,
  place: string | undefined,
  options: { snapshot?: boolean },
): Promise<void> {
  if (options.snapshot) {
    if (place !== undefined) throw new CliError("Say either --snapshot or where to, not both.", EXIT.usage);
    const { id, volumeId } = await snapshotVolume(context, await openStack(context));
    print(context, { snapshot: id, volume: volumeId }, () => `${id}: a snapshot of ${volumeId}`);
    return;
  }
  const file = requireS3("backup", place ?? "");
  const bytes = await backupToS3(context, file);
  print(context, { file, bytes }, () => `${file}: ${formatBytes(bytes)}`);
}

/** `cache restore` of a stack in AWS, from an object in S3. */
export async function restoreInAws(context: Context, place: string): Promise<void> {
  if (/^snap-[0-9a-f]+$/.test(place)) {
    const mend = `imagegen restore-volume ${place}`;
    throw new CliError(`${place} is a snapshot of a whole volume. Fix: ${mend}`, EXIT.usage);
  }
  const said = await restoreFromS3(context, place);
  if (said.trim() !== "") process.stdout.write(said.endsWith("\n") ? said : `${said}\n`);
}
