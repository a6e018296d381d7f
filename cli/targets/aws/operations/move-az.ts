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
    throw new CliError(`Expected a zone such as us-east-1c, got "${goal.zone}".`, EXIT.usage);
  const { files, progress } = context;
  const settings = files.settings("aws");
  const stack = await openStack(context);
  const facts = await gather(stack, settings, goal);
  const steps = planMove(facts);
  if (steps.length > 0) await checkMove(context, stack, settings, facts.zone, options);
  const lines = steps.map((step) => describeStep(step, facts));
  const { dryRun = false, subnet } = options;
  const result: MoveResult = { zone: facts.zone, steps: lines, dryRun, kept: facts.volumeId };
  if (dryRun) return result;
  const run: Move = { context, stack, facts, subnet, adopted: settings.volumeId !== null };
  let snapshot: string | undefined;
  for (const [index, step] of steps.entries()) {
    progress.log(`${index + 1}/${steps.length} ${lines[index]} …`);
    snapshot = (await doStep(run, step, snapshot)) ?? snapshot;
  }
  return result;
}

/** What the steps of a move share. */
interface Move {
  readonly context: Context;
  readonly stack: AwsStack;
  readonly facts: MoveFacts & { readonly host: Host | null };
  readonly subnet: string | undefined;
  /** The volume is one that config names by its id. */
  readonly adopted: boolean;
}

/** Does one step; returns the snapshot that it made or waited for. */
async function doStep(move: Move, step: MoveStep, snapshot: string | undefined): Promise<string | undefined> {
  const { context, stack, facts } = move;
  switch (step.do) {
    case "stop":
      if (facts.host) await stopHost(context, stack, facts.host);
      return undefined;
    case "snapshot":
      return (await snapshotVolume(context, stack, step.tags)).id;
    case "wait":
      return (await waitForSnapshot(context, stack, step.snapshot)).id;
    case "config": {
      const file = context.files.pin(configOf(move, step.generation, step.snapshot ?? snapshot));
      context.progress.log(`Written to ${file}: commit it, so that no other run recreates the old host.`);
      return undefined;
    }
    case "up":
      await upInAws(context, { startStopped: false, retainVolumes: facts.volumeId ? [facts.volumeId] : [] });
      if (facts.volumeId)
        context.progress.log(
          `${facts.volumeId} is kept. To delete it: aws ec2 delete-volume --volume-id ${facts.volumeId}`,
        );
      return undefined;
  }
}

/** The config of the new volume, which is of another generation than the old one and exists beside it. */
function configOf(
  { facts: { zone }, subnet, adopted }: Move,
  generation: number,
  snapshot: string | undefined,
): Record<string, string> {
  const values = {
    availabilityZone: zone,
    ...(snapshot === undefined ? {} : { volumeSnapshotId: snapshot, volumeGeneration: String(generation) }),
    ...(adopted && snapshot !== undefined ? { volumeId: "" } : {}),
    ...(subnet ? { subnetId: subnet } : {}),
  };
  return qualifyAll(values);
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
