import { gp3UsdPerMonth, imageUsdPerMonth } from "../../../../infra/plan/aws/cost.ts";
import { commandFor, notRunning } from "../../../core/command-line.ts";
import { confirm } from "../../../core/confirm.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import { destroyStack, type StateResource } from "../../../stack/automation-stack.ts";
import { awsPlanOf } from "../../../stack/model.ts";
import { findPulumi } from "../../../toolchain/pulumi.ts";
import type { DownOptions, DownResult } from "../../target.ts";
import { findBlankVolumes } from "./blank-volumes.ts";
import { openStack } from "./stack.ts";

const VOLUME = "aws:ebs/volume:Volume";
const REPOSITORY = "aws:ecr/repository:Repository";

/** Destroys what the stack has in AWS; the config decides what happens to the volume (`onDestroy`) and the images (`imagesOnDestroy`). */
export async function downInAws(context: Context, { deleteCache, yes }: DownOptions): Promise<DownResult> {
  const { paths, files, progress, signal } = context;
  if (deleteCache) {
    const message = "--delete-cache: expected the stack's config to decide that in AWS.";
    const fix = `${commandFor(files.name, "up --config onDestroy=delete")}, then ${commandFor(files.name, "down")}`;
    throw new CliError({ message, fix }, EXIT.usage);
  }
  const settings = files.settings("aws");
  const tools = await findPulumi(paths);
  if (!tools.ok) throw new CliError(tools.reason, EXIT.missingPrerequisite);
  const { startupEstimate } = await awsPlanOf(paths, settings, files.name);
  const imageUsd = imageUsdPerMonth(startupEstimate.imageBytes);
  files.write({});
  let before: readonly StateResource[] = [];
  let blank: readonly string[] = [];
  const left = await destroyStack(context, tools.root, async (resources) => {
    requireNoDeletionProtection(files.name, resources);
    await confirm(`This removes the host of ${files.name} and all that belongs to it.`, { yes, signal });
    blank = await findBlankVolumes(context, await openStack(context));
    before = resources.filter(({ id = "" }) => !blank.includes(id));
    return { remove: blank };
  });
  if (left === null) throw notRunning(files.name, `Nothing runs for the stack ${files.name}.`);
  for (const id of blank) progress.log(`Deleted the volume ${id}, which was blank: no host ever mounted it.`);
  const { onDestroy, region } = settings;
  return {
    stack: files.name,
    // What is protected stays in the state: after that, nothing ran.
    stopped: left.length < before.length ? ["aws"] : [],
    ...keptPlaces(before, left, { onDestroy, region, imageUsdPerMonth: imageUsd }),
  };
}

interface KeptFacts {
  readonly onDestroy: string;
  readonly region: string;
  /** Of one image. */
  readonly imageUsdPerMonth: number;
}

/** The volumes and repositories that there were, and which of them there still are. */
export function keptPlaces(
  before: readonly StateResource[],
  left: readonly StateResource[],
  facts: KeptFacts,
): Pick<DownResult, "cache" | "images"> {
  const kept = (one: StateResource) => left.some(({ type, id }) => type === one.type && id === one.id);
  return {
    cache: managed(before, VOLUME).map((one) => describeVolume(one, kept(one), facts)),
    images: managed(before, REPOSITORY).map((one) => describeRepository(one, kept(one), facts)),
  };
}

/** What the stack made: what it only reads is not its to keep. */
const managed = (resources: readonly StateResource[], kind: string) =>
  resources.filter(({ type, id, external }) => type === kind && id !== undefined && external !== true);

function describeVolume({ id, inputs = {} }: StateResource, kept: boolean, { onDestroy, region }: KeptFacts) {
  const snapshots = `aws ec2 describe-snapshots --region ${region} --filters Name=volume-id,Values=${id}`;
  const place = `the volume ${id}${onDestroy === "snapshot" && !kept ? ` (its last snapshot: ${snapshots})` : ""}`;
  if (!kept) return { place, kept };
  const number = (name: string) => Number(inputs[name] ?? 0);
  return {
    place,
    kept,
    usdPerMonth: gp3UsdPerMonth(number("size"), number("iops"), number("throughput")),
    deleteCommand: `aws ec2 delete-volume --volume-id ${id} --region ${region}`,
  };
}

function describeRepository({ id }: StateResource, kept: boolean, { region, imageUsdPerMonth }: KeptFacts) {
  const place = `the repository ${id}`;
  const deleteCommand = `aws ecr delete-repository --force --repository-name ${id} --region ${region}`;
  return kept ? { place, kept, usdPerMonth: imageUsdPerMonth, deleteCommand } : { place, kept };
}

/** AWS would refuse after half of the stack is gone. */
export function requireNoDeletionProtection(stack: string, resources: readonly StateResource[]): void {
  const found = resources.some(
    ({ type, inputs }) => type === "aws:lb/loadBalancer:LoadBalancer" && inputs?.enableDeletionProtection === true,
  );
  if (!found) return;
  const message = `The load balancer of ${stack} has deletion protection; nothing was removed.`;
  const fix = `${commandFor(stack, "up --config deletionProtection=false")}, then ${commandFor(stack, "down")}`;
  throw new CliError({ message, fix });
}
