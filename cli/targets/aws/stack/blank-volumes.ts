import { stackTags } from "../../../../infra/contract.ts";
import type { Context } from "../../../core/context.ts";
import { firstLine } from "../../../core/exit.ts";
import { waitForSnapshot } from "../operations/snapshot.ts";
import type { AwsStack } from "./stack.ts";
import { findUnusedVolumes } from "./unused-volumes.ts";

/** What is on a volume: nothing; something; or that could not be found out. */
export type Content = "blank" | "written" | "unknown";

/**
 * Those volumes that no host of the stack ever mounted, and that hold nothing: only these may be deleted. `among`: the ids that are
 * asked for.
 */
export async function findBlankVolumes(
  context: Context,
  stack: AwsStack,
  among: readonly string[] = stack.state.volumes.map(({ id }) => id),
): Promise<readonly string[]> {
  if (among.length === 0) return [];
  const blank: string[] = [];
  for (const id of (await findUnusedVolumes(stack)).filter((one) => among.includes(one)))
    if ((await findContent(context, stack, id)) === "blank") blank.push(id);
  return blank;
}

/**
 * A person may have attached a volume elsewhere, which leaves no trace in the stack. So its content decides: EC2 counts the blocks that were
 * ever written to it when it makes a snapshot. The snapshot is deleted again.
 */
export async function findContent(context: Context, stack: AwsStack, volumeId: string): Promise<Content> {
  const { progress, signal } = context;
  try {
    progress.update(`checking by a snapshot that ${volumeId} is blank`);
    const description = `image-gen: is ${volumeId} blank?`;
    const made = await stack.ec2.createSnapshot(volumeId, description, stackTags(stack.name));
    const fullBytes = await bytesOf(context, stack, made.id);
    if (fullBytes === 0) return "blank";
    const reason = fullBytes === null ? "EC2 does not say whether it is blank" : "somebody wrote to it";
    progress.log(`${volumeId} is kept: no host of the stack ever mounted it, but ${reason}.`);
    return fullBytes === null ? "unknown" : "written";
  } catch (error) {
    signal.throwIfAborted();
    progress.log(`${volumeId} is kept: no snapshot tells whether it is blank (${firstLine(error)}).`);
    return "unknown";
  } finally {
    progress.stop();
  }
}

/** What was ever written to the volume of this snapshot, which is deleted after that; null: EC2 does not say. */
async function bytesOf(context: Context, stack: AwsStack, id: string): Promise<number | null> {
  try {
    return (await waitForSnapshot(context, stack, id)).fullBytes;
  } finally {
    const remove = `aws ec2 delete-snapshot --snapshot-id ${id} --region ${stack.client.region}`;
    await stack.ec2.deleteSnapshot(id).catch((error: unknown) => {
      context.progress.log(`The snapshot ${id} was not deleted: ${firstLine(error)}. Fix: ${remove}`);
    });
  }
}
