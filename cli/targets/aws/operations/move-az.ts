import type { AwsSettings } from "../../../../infra/config/aws/settings.ts";
import { commandFor } from "../../../core/command-line.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import { qualifyAll } from "../../../stack/config.ts";
import type { MoveOptions, MoveResult } from "../../target.ts";
import type { Host, Snapshot } from "../client/ec2-models.ts";
import { toCliError } from "../client/errors.ts";
import { launchCandidates } from "../stack/launch-candidates.ts";
import { type AwsStack, findHost, openStack } from "../stack/stack.ts";
import { upInAws } from "../stack/up.ts";
import { describeStep, type MoveFacts, type MoveStep, moveTags, planMove } from "./move.ts";
import { snapshotVolume, waitForSnapshot } from "./snapshot.ts";
import { requireNoSelfHealing, stopHost } from "./start-stop.ts";

/**
 * Moves the host to another zone with a copy of its volume, or replaces the volume by one made from a snapshot, in the
 * present zone unless another is named. An interrupted move resumes when it is started again.
 */
export async function move(
  context: Context,
  goal: { readonly zone: string | null; readonly snapshot: string | null },
  options: MoveOptions,
): Promise<MoveResult> {
  if (goal.zone !== null && !/^[a-z]{2}(-[a-z]+)+-\d[a-z]$/.test(goal.zone))
    throw new CliError(
      {
        message: `Expected a zone such as us-east-1c, got "${goal.zone}".`,
        fix: commandFor(context.files.name, "move-az us-east-1c"),
      },
      EXIT.usage,
    );
  const { files, progress } = context;
  const settings = files.settings("aws");
  const stack = await openStack(context);
  const facts = await gather(stack, settings, goal);
  const steps = planMove(facts);
  if (steps.length > 0) await checkMove(context, stack, settings, facts.zone, options);
  const lines = steps.map((step) => describeStep(step, facts, stack.name));
  const { dryRun = false, subnet } = options;
  const result: MoveResult = { zone: facts.zone, steps: lines, dryRun, kept: facts.volumeId };
  if (dryRun) return result;
  let snapshot: string | undefined;
  const doStep = async (step: MoveStep) => {
    switch (step.do) {
      case "stop":
        return facts.host && (await stopHost(context, stack, facts.host));
      case "snapshot":
        snapshot = (await snapshotVolume(context, stack, step.tags)).id;
        return;
      case "wait":
        snapshot = (await waitForSnapshot(context, stack, step.snapshot)).id;
        return;
      case "config": {
        const source = step.snapshot ?? snapshot;
        // The new volume is of another generation than the old one and exists beside it.
        const values = {
          availabilityZone: facts.zone,
          ...(source === undefined ? {} : { volumeSnapshotId: source, volumeGeneration: String(step.generation) }),
          ...(settings.volumeId !== null && source !== undefined ? { volumeId: "" } : {}),
          ...(subnet ? { subnetId: subnet } : {}),
        };
        const file = files.pin(qualifyAll(values));
        return progress.log(`Written to ${file}: commit it, so that no other run recreates the old host.`);
      }
      case "up":
        await upInAws(context, { startStopped: false, retainVolumes: facts.volumeId ? [facts.volumeId] : [] });
    }
  };
  for (const [index, step] of steps.entries()) {
    progress.log(`${index + 1}/${steps.length} ${lines[index]} …`);
    await doStep(step);
  }
  const remove = `aws ec2 delete-volume --volume-id ${facts.volumeId} --region ${stack.client.region}`;
  if (facts.volumeId && steps.length > 0) progress.log(`${facts.volumeId} is kept. To delete it: ${remove}`);
  return result;
}

async function gather(
  stack: AwsStack,
  settings: AwsSettings,
  goal: { readonly zone: string | null; readonly snapshot: string | null },
): Promise<MoveFacts & { host: Host | null }> {
  const { outputs, ec2 } = stack;
  try {
    const volume = outputs.volumeId === null ? undefined : await ec2.volume(outputs.volumeId);
    const zone = goal.zone ?? volume?.zone ?? settings.availabilityZone;
    if (zone === null) {
      const fix = commandFor(stack.name, `volume restore ${goal.snapshot} --zone <zone>`);
      throw new CliError({ message: `The stack ${stack.name} has no volume and so no zone.`, fix }, EXIT.usage);
    }
    const snapshots: Snapshot[] = volume ? await ec2.snapshotsTagged(moveTags(volume.id, zone)) : [];
    return {
      zone,
      from: volume?.zone ?? null,
      volumeId: volume?.id ?? null,
      madeFrom: volume?.madeFrom ?? null,
      generation: settings.volumeGeneration,
      configured: { zone: settings.availabilityZone, snapshotId: settings.volumeSnapshotId },
      host: (await findHost(stack)) ?? null,
      snapshots,
      given: goal.snapshot,
    };
  } catch (error) {
    throw toCliError(error, `looking up the stack ${stack.name}`);
  }
}

/** Reports before the first step what would fail in a later one. */
async function checkMove(
  context: Context,
  { client, ec2, name }: AwsStack,
  settings: AwsSettings,
  zone: string,
  { subnet }: MoveOptions,
): Promise<void> {
  const usage = (message: string, fix?: string) => new CliError({ message, fix }, EXIT.usage);
  if (zone.slice(0, -1) !== client.region) throw usage(`Expected a zone of ${client.region}, got ${zone}.`);
  if (settings.subnetId !== null && !subnet) {
    const fix = commandFor(name, `move-az ${zone} --subnet <id>`);
    throw usage(`subnetId: expected a subnet in ${zone}, got ${settings.subnetId}.`, fix);
  }
  requireNoSelfHealing(context, "A self-healing group would replace the host while it moves.");
  const types = [...new Set(launchCandidates(settings).map(({ type }) => type))];
  try {
    const offered = await ec2.offerings(types);
    if (types.some((type) => offered[type]?.includes(zone))) return;
    const zones = [...new Set(Object.values(offered).flat())].sort().join(", ");
    throw usage(`${zone} offers none of ${types.join(", ")}.`, `one of ${zones}`);
  } catch (error) {
    throw toCliError(error, `looking up the zone ${zone}`);
  }
}
