import type { Fix } from "../../config/problem.ts";
import { type PurchaseOption, vcpuQuota } from "../../contract.ts";
import type { Fixes } from "../../fixes.ts";
import type { AwsHostPlan } from "./host.ts";
import { INSTANCE_TYPES } from "./instance-types.ts";

/** Why EC2 launched no instance; a retry at once is in vain. */
export interface LaunchError {
  readonly kind: "capacity" | "quota" | "offering" | "price" | "timeout";
  /** AWS's error code. */
  readonly code: string;
}

const LAUNCH_ERRORS: readonly (readonly [LaunchError["kind"], RegExp, code?: string])[] = [
  [
    "capacity",
    /\b(InsufficientInstanceCapacity|UnfulfillableCapacity|InsufficientHostCapacity|InsufficientCapacity|capacity-not-available)\b/,
  ],
  ["capacity", /(do not have sufficient \S+ capacity)/],
  ["quota", /\b(VcpuLimitExceeded|MaxSpotInstanceCountExceeded|InstanceLimitExceeded)\b/],
  ["price", /\b(SpotMaxPriceTooLow)\b/],
  // Not a bare `Unsupported`, which AWS uses for other errors as well.
  ["offering", /(requested instance type .*not supported in your requested Availability Zone)/, "Unsupported"],
  ["offering", /\b(InvalidInstanceType)\b/],
];

/** The launch error in a failed run's output; undefined when it failed for another reason. */
export function findLaunchError(text: string): LaunchError | undefined {
  for (const [kind, pattern, code] of LAUNCH_ERRORS) {
    const found = pattern.exec(text)?.[1];
    if (found) return { kind, code: code ?? found };
  }
  return undefined;
}

/** "AWS has no g6.xlarge (on demand) in us-east-1a now (InsufficientInstanceCapacity)". `zone`: as far as known. */
export function describeLaunchError(
  { type, market }: { readonly type: string; readonly market: PurchaseOption },
  { kind, code }: LaunchError,
  zone: string | null,
): string {
  const what = `${type} (${market === "spot" ? "spot" : "on demand"})`;
  const where = zone ? ` in ${zone}` : "";
  const quota = vcpuQuota(type, market);
  const reasons: Record<LaunchError["kind"], string> = {
    capacity: `AWS has no ${what}${where} now`,
    quota: `the account's quota${quota ? ` ${quota.code} (${quota.name})` : ""} has no room for ${what}`,
    offering: `AWS does not offer ${what}${where}`,
    price: `${what}${where} costs more than the maximum price`,
    timeout: `AWS launched no ${what}${where}`,
  };
  return `${reasons[kind]} (${code})`;
}

/** The command that asks AWS for more vCPUs. */
export function quotaIncrease({
  code,
  vcpus,
  region,
}: {
  code: string;
  vcpus: number | string;
  region: string;
}): string {
  return `aws service-quotas request-service-quota-increase --service-code ec2 --quota-code ${code} --desired-value ${vcpus} --region ${region}`;
}

/**
 * Why a quota of this many vCPUs allows no host of a type at all, with the fix; null when it does, or nobody knows. A new account's
 * quota is 0.
 */
export function explainQuota(
  { type, market }: { readonly type: string; readonly market: PurchaseOption },
  limit: number | null,
  region: string,
): string | null {
  const quota = vcpuQuota(type, market);
  const needed = INSTANCE_TYPES[type]?.vcpus;
  if (!quota || needed === undefined || limit === null || limit >= needed) return null;
  const increase = quotaIncrease({ code: quota.code, vcpus: Math.max(8, 2 * needed), region });
  return `quota: ${quota.name} (${quota.code}): ${limit} vCPUs, a ${type} needs ${needed}. Fix: ${increase}`;
}

/** What is known of the zone that the host is to be in. */
export interface OfferedTypes {
  readonly zone: string;
  /** Of the list, in its order; null: EC2 was not allowed to tell. */
  readonly types: readonly string[] | null;
  /** Other zones with a type of the list, the best one first. */
  readonly otherZones: readonly string[];
}

/** One line on a launch that failed, with its fix; null when the errors are others. */
export function explainLaunchError(
  errors: readonly string[],
  plan: AwsHostPlan,
  offered: OfferedTypes,
  fixes: Fixes,
): string | null {
  const error = findLaunchError(errors.join("\n"));
  if (!error) return null;
  const { purchaseOption, createFirst, selfHealing, mayFallBack } = plan;
  const launched = plan.hasPinnedType ? plan.instanceType : (offered.types?.[0] ?? plan.instanceType);
  const others = (offered.types ?? plan.instanceTypes).filter((type) => type !== launched);
  const [other] = others;
  const [zone] = offered.otherZones;
  const andUp = (fix: Fix) => `${fixes.set(fix)}, then pulumi up`;
  const anotherType = other
    ? andUp({ set: "pinnedInstanceType", value: other })
    : "add another type to instanceTypes, then pulumi up";
  const onDemand = mayFallBack ? `; or ${andUp({ set: "pinnedPurchaseOption", value: "on-demand" })}` : "";
  const elsewhere = `${anotherType}${onDemand}${zone === undefined ? "" : `; or ${fixes.host.move(zone)}`}`;
  const deleteFirst = createFirst ? `, or ${fixes.set({ set: "replacement", value: "delete-first" })}` : "";
  const increase = quotaIncrease({
    code: vcpuQuota(launched, purchaseOption)?.code ?? "<code>",
    vcpus: "<vCPUs>",
    region: plan.region,
  });
  const fixOf: Record<LaunchError["kind"], string> = {
    capacity: elsewhere,
    quota: `${fixes.host.raiseQuota(increase)}${deleteFirst}${onDemand}`,
    offering: elsewhere,
    price: andUp({ set: mayFallBack ? "pinnedPurchaseOption" : "purchaseOption", value: "on-demand" }),
    timeout: elsewhere,
  };
  const what = describeLaunchError({ type: launched, market: purchaseOption }, error, offered.zone || "this zone");
  // A self-healing group goes through the list by itself, as imagegen up does.
  const isOfType = error.kind !== "price" && error.kind !== "quota";
  const untried = [...(isOfType && !selfHealing ? others : []), ...(mayFallBack ? ["any of them on demand"] : [])];
  return `No host: ${what}.${untried.length > 0 ? ` Not tried: ${untried.join(", ")}.` : ""} Fix: ${fixOf[error.kind]}`;
}
