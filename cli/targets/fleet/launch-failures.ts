import { vcpuQuota } from "../../../infra/contract.ts";
import { findLaunchError, quotaIncrease } from "../../../infra/plan/aws/launch-errors.ts";
import type { FleetPlan } from "../../../infra/plan/fleet/plan.ts";
import { commandFor } from "../../core/command-line.ts";
import { type ErrorDetail, firstLine } from "../../core/exit.ts";
import type { ScalingActivity } from "../aws/client/auto-scaling.ts";
import type { FleetStack, MarketGroup } from "./fleet-stack.ts";

/** What the fix of a group without hosts depends on. */
interface LaunchFacts {
  readonly stack: string;
  readonly region: string;
  readonly instanceTypes: readonly string[];
  readonly rescueHosts: number;
}

/** Of each group: why it started no host of late. Errors are the SDK's own. */
export async function readLaunchProblems(
  { name: stack, scaling }: Pick<FleetStack, "name" | "scaling">,
  groups: readonly MarketGroup[],
  { region, hosts: { host, rescueHosts } }: Pick<FleetPlan, "region" | "hosts">,
): Promise<readonly ErrorDetail[]> {
  const facts = { stack, region, instanceTypes: host.instanceTypes, rescueHosts };
  const all = await Promise.all(groups.map(({ name }) => scaling.activities(name)));
  return groups.flatMap((group, index) => launchProblem(group, all[index] ?? [], facts, Date.now()) ?? []);
}

const LOOK_BACK_MS = 3_600_000;

/**
 * Why a group started no host of late, with a fix; null when it did, or did not try. A group goes through types and zones by itself: what
 * failed before its last success does not matter any more. `activities`: the latest first.
 */
export function launchProblem(
  { group, market, name }: Pick<MarketGroup, "group" | "market" | "name">,
  activities: readonly ScalingActivity[],
  facts: LaunchFacts,
  now: number,
): ErrorDetail | null {
  const launches = activities.filter(({ what }) => what.startsWith("Launching"));
  const success = launches.findIndex(({ status }) => status === "Successful");
  const failed = launches
    .slice(0, success === -1 ? undefined : success)
    .filter(({ status, at }) => status === "Failed" && now - Date.parse(at) < LOOK_BACK_MS);
  const [last] = failed;
  if (!last) return null;
  const count = failed.length === 1 ? "a launch" : `${failed.length} launches`;
  const message = `${group}: ${count} failed in the last hour, the last one at ${last.at}: ${firstLine(last.message)}`;
  return { message, fix: fixFor(last.message, { market, name }, facts) };
}

function fixFor(
  message: string,
  { market, name }: Pick<MarketGroup, "market" | "name">,
  { stack, region, instanceTypes, rescueHosts }: LaunchFacts,
): string {
  const [first = ""] = instanceTypes;
  const otherTypes = commandFor(stack, `up --config instanceTypes=${[...instanceTypes, "<another>"].join(",")}`);
  const onDemand =
    market === "spot" && rescueHosts === 0 ? `, or ${commandFor(stack, "up --config rescueHosts=1")}` : "";
  switch (findLaunchError(message)?.kind) {
    case "quota":
      return quotaIncrease({ code: vcpuQuota(first, market)?.code ?? "<code>", vcpus: "<vCPUs>", region });
    case "capacity":
    case "offering":
    case "price":
    case "timeout":
      return `${otherTypes}${onDemand}`;
    case undefined:
      return `aws autoscaling describe-scaling-activities --auto-scaling-group-name ${name} --region ${region}`;
  }
}
