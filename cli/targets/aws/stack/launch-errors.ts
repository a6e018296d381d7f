/** One way to ask EC2 for a host. */
export interface Attempt {
  readonly type: string;
  readonly market: Market;
}

export type Market = "spot" | "on-demand";

/** Of a stack's config, what says which hosts may serve it. */
export interface Wishes {
  readonly instanceTypes: readonly string[];
  /** "" or null: the first of the list. */
  readonly pinnedInstanceType: string | null;
  readonly purchaseOption: "on-demand" | "spot" | "spot-then-on-demand";
  readonly pinnedPurchaseOption: Market | null;
}

/** Why EC2 did not give a host. */
export interface Refusal {
  readonly kind: "capacity" | "quota" | "offering" | "price" | "silence";
  /** AWS's own word for it. */
  readonly code: string;
}

/**
 * The hosts to ask for, in order: what worked last (the pin) first, then every type on spot before any on demand, as
 * that is what the order of `spot-then-on-demand` says. A pinned type that is not in the list is the only one.
 */
export function attemptsOf(wishes: Wishes): Attempt[] {
  const { instanceTypes, pinnedInstanceType: instanceType, purchaseOption, pinnedPurchaseOption: market } = wishes;
  const markets: Market[] = purchaseOption === "spot-then-on-demand" ? ["spot", "on-demand"] : [purchaseOption];
  const types = instanceType && !instanceTypes.includes(instanceType) ? [instanceType] : instanceTypes;
  const all = markets.flatMap((each) => types.map((type): Attempt => ({ type, market: each })));
  const pinned = { type: instanceType || (types[0] ?? ""), market: market || (markets[0] ?? "on-demand") };
  const isPinned = (attempt: Attempt) => attempt.type === pinned.type && attempt.market === pinned.market;
  return all.some(isPinned) ? [pinned, ...all.filter((attempt) => !isPinned(attempt))] : all;
}

const REFUSALS: readonly (readonly [Refusal["kind"], RegExp])[] = [
  [
    "capacity",
    /\b(InsufficientInstanceCapacity|UnfulfillableCapacity|InsufficientHostCapacity|InsufficientCapacity|capacity-not-available)\b/,
  ],
  ["capacity", /(do not have sufficient \S+ capacity)/],
  ["quota", /\b(VcpuLimitExceeded|MaxSpotInstanceCountExceeded|InstanceLimitExceeded)\b/],
  ["price", /\b(SpotMaxPriceTooLow)\b/],
  // Not a bare `Unsupported`, which AWS says of much else.
  ["offering", /(requested instance type \(?\S+?\)? is not supported in your requested Availability Zone)/],
];

/** The refusal in what a failed run said; undefined when it failed for another reason. */
export function refusalIn(text: string): Refusal | undefined {
  for (const [kind, pattern] of REFUSALS) {
    const code = pattern.exec(text)?.[1];
    if (code) return { kind, code };
  }
  return undefined;
}

/** The next host to ask for after these were refused; undefined when nothing is left. `vcpus`: of the types, as known. */
export function nextAttempt(
  attempts: readonly Attempt[],
  refused: readonly (readonly [Attempt, Refusal])[],
  vcpus: Readonly<Record<string, number>>,
): Attempt | undefined {
  return attempts.find((attempt) => {
    if (refused.some(([{ type, market }]) => type === attempt.type && market === attempt.market)) return false;
    // A quota counts vCPUs of all types of a family: one as big is refused as well.
    return !refused.some(
      ([{ type, market }, { kind }]) =>
        kind === "quota" &&
        market === attempt.market &&
        quotaOf(type, market)?.code === quotaOf(attempt.type, attempt.market)?.code &&
        (vcpus[attempt.type] ?? 0) >= (vcpus[type] ?? 0),
    );
  });
}

/** The vCPU quota that counts hosts of this type and market; undefined for families that none is known for. */
export function quotaOf(type: string, market: Market): { code: string; families: RegExp; name: string } | undefined {
  if (/^(g\d|gr\d|vt)/.test(type)) {
    const families = /^(g\d|gr\d|vt)/;
    return market === "spot"
      ? { code: "L-3819A6DF", families, name: "All G and VT Spot Instance Requests" }
      : { code: "L-DB2E81BA", families, name: "Running On-Demand G and VT instances" };
  }
  if (/^p\d/.test(type) && market === "on-demand")
    return { code: "L-417A185B", families: /^p\d/, name: "Running On-Demand P instances" };
  return undefined;
}

/** "AWS has no g6.xlarge (on demand) in us-east-1a now (InsufficientInstanceCapacity)". */
export function describeRefusal({ type, market }: Attempt, { kind, code }: Refusal, zone: string | null): string {
  const what = `${type} (${market === "spot" ? "spot" : "on demand"})`;
  const where = zone ? ` in ${zone}` : "";
  const reasons: Record<Refusal["kind"], string> = {
    capacity: `AWS has no ${what}${where} now`,
    quota: `the account's quota has no room for ${what}`,
    offering: `AWS does not offer ${what}${where}`,
    price: `${what}${where} costs more than the price that was set`,
    silence: `AWS gave no ${what}${where} in all that time`,
  };
  return `${reasons[kind]} (${code})`;
}

/** What to do when nothing of the list could be had. */
export function mendOf(stack: string, refused: readonly (readonly [Attempt, Refusal])[]): string {
  const up = `imagegen up --stack ${stack}`;
  const [attempt, refusal] = refused.at(-1) ?? [];
  if (attempt && refusal?.kind === "quota" && refused.every(([, { kind }]) => kind === "quota")) {
    const quota = quotaOf(attempt.type, attempt.market);
    const request = `aws service-quotas request-service-quota-increase --service-code ec2 --quota-code ${quota?.code ?? "…"}`;
    return `${request} --desired-value 8`;
  }
  return `${up} again later, name more types (${up} --config instanceTypes=…), or imagegen move-az <zone> --stack ${stack}`;
}
