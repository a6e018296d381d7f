import { type Market, vcpuQuota } from "../../../../infra/contract.ts";
import { commandFor } from "../../../core/command-line.ts";

/** A host that EC2 may be asked to launch. */
export interface LaunchCandidate {
  readonly type: string;
  readonly market: Market;
}

/** The part of a stack's config that lists the hosts it may use. */
export interface LaunchPreferences {
  readonly instanceTypes: readonly string[];
  /** "" or null: the first of the list. */
  readonly instanceType: string | null;
  readonly capacity: "on-demand" | "spot" | "spot-then-on-demand";
  readonly market: Market | "" | null;
}

/** Why EC2 did not launch a host. */
export interface LaunchError {
  readonly kind: "capacity" | "quota" | "offering" | "price" | "timeout";
  /** AWS's error code. */
  readonly code: string;
}

export type FailedLaunch = readonly [LaunchCandidate, LaunchError];

/**
 * The hosts in the order to try: the pinned one, which worked last, then every type on spot before any on demand (where
 * config says `spot-then-on-demand`). A pinned type that is not in the list is the only one.
 */
export function launchCandidates(requirements: LaunchPreferences): LaunchCandidate[] {
  const { instanceTypes, instanceType, capacity, market } = requirements;
  const markets: Market[] = capacity === "spot-then-on-demand" ? ["spot", "on-demand"] : [capacity];
  const types = instanceType && !instanceTypes.includes(instanceType) ? [instanceType] : instanceTypes;
  const all = markets.flatMap((each) => types.map((type): LaunchCandidate => ({ type, market: each })));
  const pinned = { type: instanceType || (types[0] ?? ""), market: market || (markets[0] ?? "on-demand") };
  const isPinned = (candidate: LaunchCandidate) => candidate.type === pinned.type && candidate.market === pinned.market;
  return all.some(isPinned) ? [pinned, ...all.filter((candidate) => !isPinned(candidate))] : all;
}

const LAUNCH_ERRORS: readonly (readonly [LaunchError["kind"], RegExp])[] = [
  [
    "capacity",
    /\b(InsufficientInstanceCapacity|UnfulfillableCapacity|InsufficientHostCapacity|InsufficientCapacity|capacity-not-available)\b/,
  ],
  ["capacity", /(do not have sufficient \S+ capacity)/],
  ["quota", /\b(VcpuLimitExceeded|MaxSpotInstanceCountExceeded|InstanceLimitExceeded)\b/],
  ["price", /\b(SpotMaxPriceTooLow)\b/],
  // Not a bare `Unsupported`, which AWS uses for other errors as well.
  ["offering", /(requested instance type \(?\S+?\)? is not supported in your requested Availability Zone)/],
];

/** The launch error in a failed run's output; undefined when it failed for another reason. */
export function findLaunchError(text: string): LaunchError | undefined {
  for (const [kind, pattern] of LAUNCH_ERRORS) {
    const code = pattern.exec(text)?.[1];
    if (code) return { kind, code };
  }
  return undefined;
}

/** The next host to try after these failed; undefined when none is left. `vcpus`: of the types, as far as known. */
export function nextCandidate(
  candidates: readonly LaunchCandidate[],
  failed: readonly FailedLaunch[],
  vcpus: Readonly<Record<string, number>>,
): LaunchCandidate | undefined {
  return candidates.find((candidate) => {
    if (failed.some(([{ type, market }]) => type === candidate.type && market === candidate.market)) return false;
    // A quota counts vCPUs of all types of a family: one as big fails as well.
    return !failed.some(
      ([{ type, market }, { kind }]) =>
        kind === "quota" &&
        market === candidate.market &&
        vcpuQuota(type, market)?.code === vcpuQuota(candidate.type, candidate.market)?.code &&
        (vcpus[candidate.type] ?? 0) >= (vcpus[type] ?? 0),
    );
  });
}

/** "AWS has no g6.xlarge (on demand) in us-east-1a now (InsufficientInstanceCapacity)". */
export function describeLaunchError(
  { type, market }: LaunchCandidate,
  { kind, code }: LaunchError,
  zone: string | null,
): string {
  const what = `${type} (${market === "spot" ? "spot" : "on demand"})`;
  const where = zone ? ` in ${zone}` : "";
  const reasons: Record<LaunchError["kind"], string> = {
    capacity: `AWS has no ${what}${where} now`,
    quota: `the account's quota is too small for ${what}`,
    offering: `AWS does not offer ${what}${where}`,
    price: `${what}${where} costs more than the maximum price`,
    timeout: `AWS launched no ${what}${where}`,
  };
  return `${reasons[kind]} (${code})`;
}

/** What to do when no host of the list was launched. */
export function suggestFix(stack: string, failed: readonly FailedLaunch[]): string {
  const [candidate, error] = failed.at(-1) ?? [];
  if (candidate && error?.kind === "quota" && failed.every(([, { kind }]) => kind === "quota")) {
    const quota = vcpuQuota(candidate.type, candidate.market);
    const request = `aws service-quotas request-service-quota-increase --service-code ec2 --quota-code ${quota?.code ?? "…"}`;
    return `${request} --desired-value 8`;
  }
  const more = commandFor(stack, "up --config instanceTypes=…");
  return `${commandFor(stack, "up")} again later, more types (${more}), or ${commandFor(stack, "move-az <zone>")}`;
}
