import type { AwsSettings } from "../../../../infra/config/aws/settings.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import { checkedSettings, qualify } from "../../../stack/config.ts";
import type { Host, Snapshot } from "../client/ec2-models.ts";
import { explainAws } from "../client/errors.ts";
import { attemptsOf } from "../stack/launch-errors.ts";
import { type AwsStack, findHost, openStack } from "../stack/stack.ts";
import { describeStep, type MoveFacts, type MoveStep, moveTags, planMove } from "./move.ts";
import { snapshotVolume, waitForSnapshot } from "./snapshot.ts";
import { stopHost } from "./start-stop.ts";

export interface MoveOptions {
  readonly dryRun?: boolean;
  readonly subnet?: string;
  readonly snapshot?: string;
}

export interface Moved {
  readonly zone: string;
  readonly steps: readonly string[];
  readonly dryRun: boolean;
  /** The volume that was left behind, with all that was on it. */
  readonly kept: string | null;
}

/** Does `steps` one after the other; each can break off, and a new start goes on from what is there. */
export async function moveAz(
  context: Context,
  zone: string,
  options: MoveOptions,
  up: (letGo: readonly string[]) => Promise<unknown>,
  { everySeconds }: { everySeconds?: number } = {},
): Promise<Moved> {
  const { files, progress } = context;
  const settings = checkedSettings(files.config());
  if (settings.target !== "aws") throw new CliError(`The stack ${files.name} is not one of AWS.`, EXIT.usage);
  const stack = await openStack(context);
  const facts = await gather(stack, settings, zone, options.snapshot ?? null);
  const steps = planMove(facts);
  if (steps.length > 0) await refuse(stack, settings, zone, options);
  const lines = steps.map((step) => describeStep(step, facts));
  const moved: Moved = { zone, steps: lines, dryRun: options.dryRun === true, kept: facts.volumeId };
  if (options.dryRun) return moved;
  const pace = everySeconds === undefined ? {} : { everySeconds };
  const move: Move = { context, stack, facts, pace, up, subnet: options.subnet, adopted: settings.volumeId !== null };
  let snapshot: string | undefined;
  for (const [index, step] of steps.entries()) {
    progress.line(`${index + 1}/${steps.length} ${lines[index]} …`);
    snapshot = (await doStep(move, step, snapshot)) ?? snapshot;
  }
  return moved;
}

/** What every step of one move works on. */
interface Move {
  readonly context: Context;
  readonly stack: AwsStack;
  readonly facts: MoveFacts & { readonly host: Host | null };
  readonly pace: { readonly everySeconds?: number };
  readonly up: (letGo: readonly string[]) => Promise<unknown>;
  readonly subnet: string | undefined;
  /** The volume is one that config names by its id. */
  readonly adopted: boolean;
}

/** Does one step; returns the snapshot that the next steps need, where this one made or awaited it. */
async function doStep(move: Move, step: MoveStep, snapshot: string | undefined): Promise<string | undefined> {
  const { context, stack, facts, pace, up } = move;
  switch (step.do) {
    case "stop":
      if (facts.host) await stopHost(context, stack, facts.host, pace);
      return undefined;
    case "snapshot":
      return (await snapshotVolume(context, stack, step.tags, pace)).id;
    case "wait":
      return (await waitForSnapshot(context, stack, step.snapshot, pace)).id;
    case "config": {
      const file = context.files.pin(configOf(move, step.generation, step.snapshot ?? snapshot));
      context.progress.line(`Written to ${file}: commit it, so that no other run makes the old zone's host again.`);
      return undefined;
    }
    case "up":
      await up(facts.volumeId ? [facts.volumeId] : []);
      if (facts.volumeId) context.progress.line(keptLine(facts.volumeId));
      return undefined;
  }
}

const keptLine = (id: string) => `${id} is kept. When all is well: aws ec2 delete-volume --volume-id ${id}`;

/** The config of the new place: the snapshot makes a volume of another generation, beside the old one. */
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
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [qualify(key), value]));
}

async function gather(
  stack: AwsStack,
  settings: AwsSettings,
  zone: string,
  given: string | null,
): Promise<MoveFacts & { host: Host | null }> {
  const { outputs, ec2 } = stack;
  try {
    const volume = outputs.volumeId === null ? undefined : await ec2.volume(outputs.volumeId);
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
      given,
    };
  } catch (error) {
    throw explainAws(error, `looking at the stack ${stack.name}`);
  }
}

/** What would make the move end half-way is said before its first step. */
async function refuse(stack: AwsStack, settings: AwsSettings, zone: string, { subnet }: MoveOptions): Promise<void> {
  const { access, ec2, name } = stack;
  if (zone.slice(0, -1) !== access.region)
    throw new CliError(`A move stays in its region: expected a zone of ${access.region}, got ${zone}.`, EXIT.usage);
  if (settings.subnetId !== null && !subnet) {
    const mend = `imagegen move-az ${zone} --subnet subnet-… --stack ${name}`;
    throw new CliError(`subnetId: expected a subnet in ${zone}, got ${settings.subnetId}. Fix: ${mend}`, EXIT.usage);
  }
  if (settings.selfHealing) {
    const mend = `imagegen up --stack ${name} --config selfHealing=false`;
    throw new CliError(`A host that heals itself would be made anew while it moves. Fix: ${mend}`, EXIT.usage);
  }
  const names = [...new Set(attemptsOf(settings).map(({ type }) => type))];
  try {
    const offered = await ec2.offerings(names);
    if (names.some((type) => offered[type]?.includes(zone))) return;
    const zones = [...new Set(Object.values(offered).flat())].sort().join(", ");
    throw new CliError(`${zone} offers none of ${names.join(", ")}. Fix: one of ${zones}`, EXIT.usage);
  } catch (error) {
    throw explainAws(error, `looking at the zone ${zone}`);
  }
}
