import { stackTags, statusParameter } from "../../../../infra/contract.ts";
import type { AwsStack } from "./stack.ts";

/**
 * The volumes of the state, by id, that no host of this stack ever mounted, as far as it shows (`findBlankVolumes` proves it). None when anything speaks
 * against it, or can't be looked up:
 * - the state has a host or an attachment, or the start of one (every attachment by Pulumi is in it);
 * - EC2 has an instance with the stack's tags, also a terminated one (a self-healing group attaches by itself);
 * - a host has ever written its status, which each does within a minute of its boot, and nothing removes;
 * - the volume was made from a snapshot, is not the stack's own, or is attached.
 */
export async function findUnusedVolumes({ name, state, ec2, ssm }: AwsStack): Promise<readonly string[]> {
  const blank = state.volumes.filter(({ madeBlank }) => madeBlank);
  if (blank.length === 0 || state.hasHost || state.url !== null) return [];
  try {
    const [hosts, status, ...found] = await Promise.all([
      ec2.hostsEver(stackTags(name)),
      ssm.parameter(statusParameter(state.parameterPrefix)),
      ...blank.map(({ id }) => ec2.volume(id)),
    ]);
    if (hosts.length > 0 || status !== null) return [];
    return found.flatMap((volume) =>
      volume?.state === "available" && volume.attachedTo === null && volume.madeFrom === null ? [volume.id] : [],
    );
  } catch {
    return [];
  }
}
