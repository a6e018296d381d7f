import type { AwsSettings } from "../../../../infra/config/aws/settings.ts";
import { type PurchaseOption, vcpuQuota } from "../../../../infra/contract.ts";
import { type LaunchError, quotaIncrease } from "../../../../infra/plan/aws/launch-errors.ts";
import { commandFor } from "../../../core/command-line.ts";

/** A host that EC2 may be asked to launch. */
export interface LaunchCandidate {
  readonly type: string;
  readonly market: PurchaseOption;
}

/** The part of a stack's config that lists the hosts it may use. */
export type LaunchPreferences = Pick<
  AwsSettings,
  "instanceTypes" | "pinnedInstanceType" | "purchaseOption" | "pinnedPurchaseOption"
>;

export type FailedLaunch = readonly [LaunchCandidate, LaunchError];

/**
 * The hosts in the order to try: the pinned one, which worked last, then every type on spot before any on demand (where
 * config says `spot-then-on-demand`). A pinned type that is not in the list is the only one.
 */
export function launchCandidates(preferences: LaunchPreferences): LaunchCandidate[] {
  const { instanceTypes, pinnedInstanceType, purchaseOption, pinnedPurchaseOption } = preferences;
  const markets: PurchaseOption[] = purchaseOption === "spot-then-on-demand" ? ["spot", "on-demand"] : [purchaseOption];
  const types =
    pinnedInstanceType && !instanceTypes.includes(pinnedInstanceType) ? [pinnedInstanceType] : instanceTypes;
  const all = markets.flatMap((market) => types.map((type): LaunchCandidate => ({ type, market })));
  const type = pinnedInstanceType || types[0];
  const market = pinnedPurchaseOption || markets[0];
  const pinned = all.filter((candidate) => candidate.type === type && candidate.market === market);
  return [...pinned, ...all.filter((candidate) => !pinned.includes(candidate))];
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

/** What to do when no host of the list was launched. */
export function suggestFix(
  {
    stack,
    region,
    otherZones,
  }: { readonly stack: string; readonly region: string; readonly otherZones: readonly string[] },
  failed: readonly FailedLaunch[],
): string {
  const [candidate, error] = failed.at(-1) ?? [];
  if (candidate && error?.kind === "quota" && failed.every(([, { kind }]) => kind === "quota")) {
    const code = vcpuQuota(candidate.type, candidate.market)?.code;
    return code
      ? `${quotaIncrease({ code, vcpus: 8, region })}, then ${commandFor(stack, "up")}`
      : commandFor(stack, "doctor");
  }
  const more = commandFor(stack, "up --config instanceTypes=…");
  const [zone] = otherZones;
  const move = zone === undefined ? "" : `, or ${commandFor(stack, `move-az ${zone}`)}`;
  return `${commandFor(stack, "up")} again later, more types (${more})${move}`;
}
