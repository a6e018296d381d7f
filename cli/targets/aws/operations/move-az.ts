import type { AwsSettings } from "../../../../infra/config/aws/settings.ts";
import { SERVICE_NAME } from "../../../../infra/contract.ts";
import { hostSubnetName } from "../../../../infra/plan/aws/network.ts";
import { otherZones } from "../../../../infra/plan/aws/zone.ts";
import { commandFor } from "../../../core/command-line.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import { qualifyAll } from "../../../stack/config.ts";
import type { MoveOptions, MoveResult } from "../../target.ts";
import type { EbsVolume, Host, Snapshot } from "../client/ec2-models.ts";
import { toCliError } from "../client/errors.ts";
import { type Content, findContent } from "../stack/blank-volumes.ts";
import { launchCandidates } from "../stack/launch-candidates.ts";
import { type AwsStack, findHost, openStack } from "../stack/stack.ts";
import { findUnusedVolumes } from "../stack/unused-volumes.ts";
import { upInAws } from "../stack/up.ts";
import { describeStep, type MoveFacts, type MoveStep, moveTags, planMove, snapshotValues } from "./move.ts";
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
  if (!stack.state.exists) throw noSuchState(stack.name, goal.zone);
  // It takes a snapshot: not for a look at the plan alone, nor of a volume that is where it is to be.
  const contentOf = async ({ id, zone: there }: EbsVolume, zone: string): Promise<Content> =>
    options.dryRun || there === zone ? "unknown" : findContent(context, stack, id);
  const facts = await gather(stack, settings, goal, contentOf);
  const steps = planMove(facts);
  if (steps.length > 0) await checkMove(context, stack, settings, facts, options);
  const lines = steps.map((step) => describeStep(step, facts, stack.name, options.rate));
  const { dryRun = false, subnet } = options;
  const { blankVolumes } = facts;
  const kept = facts.volumeId !== null && blankVolumes.includes(facts.volumeId) ? null : facts.volumeId;
  const result: MoveResult = { zone: facts.zone, steps: lines, dryRun, kept };
  if (dryRun) return result;
  let snapshot: Snapshot | undefined;
  const doStep = async (step: MoveStep) => {
    switch (step.do) {
      case "stop":
        return facts.host && (await stopHost(context, stack, facts.host));
      case "snapshot":
        snapshot = await snapshotVolume(context, stack, step.tags);
        return;
      case "wait":
        snapshot = await waitForSnapshot(context, stack, step.snapshot);
        return;
      case "config": {
        // A volume that was attached and never written to is as blank as a new one, and a host formats no copy.
        const made = snapshot ?? facts.snapshots.find(({ id }) => id === step.snapshot);
        const isBlank = made?.fullBytes === 0;
        const source = step.copy && !isBlank ? (step.snapshot ?? snapshot?.id ?? "") : "";
        // The new volume is of another generation than the old one and exists beside it.
        const values = {
          availabilityZone: facts.zone,
          ...(step.generation === settings.volumeGeneration ? {} : { volumeGeneration: String(step.generation) }),
          ...snapshotValues(settings, source, options.rate),
          ...(settings.volumeId !== null && step.copy ? { volumeId: "" } : {}),
          ...(subnet ? { subnetId: subnet } : {}),
        };
        const file = files.pin(qualifyAll(values));
        return progress.log(`Written to ${file}: commit it, so that no other run recreates the old host.`);
      }
      case "up":
        await upInAws(context, { startStopped: false, retainVolumes: kept ? [kept] : [], blankVolumes });
    }
  };
  for (const [index, step] of steps.entries()) {
    progress.log(`${index + 1}/${steps.length} ${lines[index]} …`);
    await doStep(step);
  }
  // Not where only the host was missing, beside the volume that it is to have.
  if (kept && facts.from !== null && steps.some((step) => step.do === "config" || facts.from !== facts.zone)) {
    const remove = `aws ec2 delete-volume --volume-id ${kept} --region ${stack.client.region}`;
    progress.log(`${kept} is kept. To delete it: ${remove}`);
  }
  return result;
}

/** `pulumi up` names this command, too, and its state may be elsewhere: an `up` here would make a second stack. */
function noSuchState(stack: string, zone: string | null): CliError {
  const backend = process.env.PULUMI_BACKEND_URL ?? ".imagegen/state";
  const up = commandFor(stack, zone === null ? "up" : `up --config availabilityZone=${zone}`);
  const fix = `export PULUMI_BACKEND_URL=<the one that pulumi whoami --verbose names>, and repeat the command; to make the stack: ${up}`;
  return new CliError(
    { message: `There is no stack ${stack} in the state at ${backend}: nothing to move.`, fix },
    EXIT.usage,
  );
}

async function gather(
  stack: AwsStack,
  settings: AwsSettings,
  goal: { readonly zone: string | null; readonly snapshot: string | null },
  contentOf: (volume: EbsVolume, zone: string) => Promise<Content>,
): Promise<MoveFacts & { host: Host | null; blankVolumes: readonly string[] }> {
  const { state, ec2 } = stack;
  try {
    const volume = state.volumeId === null ? undefined : await ec2.volume(state.volumeId);
    const zone = goal.zone ?? volume?.zone ?? settings.availabilityZone;
    if (zone === null) {
      const fix = commandFor(stack.name, `volume restore ${goal.snapshot} --zone <zone>`);
      throw new CliError({ message: `The stack ${stack.name} has no volume and so no zone.`, fix }, EXIT.usage);
    }
    const snapshots: Snapshot[] = volume ? await ec2.snapshotsTagged(moveTags(volume.id, zone)) : [];
    const isUnused = volume !== undefined && (await findUnusedVolumes(stack)).includes(volume.id);
    const content = isUnused ? await contentOf(volume, zone) : null;
    const { volumeGeneration: generation } = settings;
    const subnetHere = hostSubnetName(SERVICE_NAME, generation);
    return {
      zone,
      from: volume?.zone ?? null,
      volumeId: volume?.id ?? null,
      madeFrom: volume?.madeFrom ?? null,
      volumeGeneration: state.volumes.find(({ id }) => id === volume?.id)?.generation ?? null,
      unused: content === "blank" || content === "unknown",
      blankVolumes: volume && content === "blank" ? [volume.id] : [],
      generation,
      subnetElsewhere: state.subnets.some(({ name, zone: there }) => name === subnetHere && there !== zone),
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
  { zone, host }: Pick<MoveFacts, "zone" | "host">,
  { subnet }: MoveOptions,
): Promise<void> {
  const usage = (message: string, fix?: string) => new CliError({ message, fix }, EXIT.usage);
  if (zone.slice(0, -1) !== client.region) throw usage(`Expected a zone of ${client.region}, got ${zone}.`);
  if (settings.subnetId !== null && !subnet) {
    const fix = commandFor(name, `move-az ${zone} --subnet <id>`);
    throw usage(`subnetId: expected a subnet in ${zone}, got ${settings.subnetId}.`, fix);
  }
  // Where none was launched yet, there is none to replace: the group follows into the other zone.
  if (host) requireNoSelfHealing(context, "A self-healing group would replace the host while it moves.");
  const types = [...new Set(launchCandidates(settings).map(({ type }) => type))];
  try {
    const offered = await ec2.offerings(types);
    if (types.some((type) => offered[type]?.includes(zone))) return;
    const [best, ...others] = otherZones({ types, zone }, offered, [...new Set(Object.values(offered).flat())]);
    const fix =
      best && `${commandFor(name, `move-az ${best}`)}${others.length > 0 ? `, or one of ${others.join(", ")}` : ""}`;
    throw usage(`${zone} offers none of ${types.join(", ")}.`, fix);
  } catch (error) {
    throw toCliError(error, `looking up the zone ${zone}`);
  }
}
