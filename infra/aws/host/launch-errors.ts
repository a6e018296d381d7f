import type { AwsHostPlan } from "../../plan/aws/host.ts";

/** What EC2 says when there is no host to be had, and what to do about each. */
const REFUSALS: readonly (readonly [pattern: RegExp, says: (plan: AwsHostPlan) => string])[] = [
  [
    /InsufficientInstanceCapacity|UnfulfillableCapacity|InsufficientCapacity/,
    (plan) =>
      `EC2 has no ${plan.instanceType} (${plan.market}) in this zone now. Fix: ${another(plan)}, or imagegen move-az`,
  ],
  [
    /VcpuLimitExceeded|MaxSpotInstanceCountExceeded/,
    (plan) =>
      `the account's quota for GPU instances (${plan.market === "spot" ? "spot" : "L-DB2E81BA"}) is too small for ` +
      `${plan.createFirst ? "the new host beside the old one" : "the host"}. Fix: imagegen doctor says how to raise it` +
      (plan.createFirst ? ", or pulumi config set replacement delete-first" : ""),
  ],
  [
    /SpotMaxPriceTooLow/,
    () => "the spot price is above the on-demand price. Fix: pulumi config set capacity on-demand",
  ],
  [
    /Unsupported|InvalidInstanceType|not supported in your requested Availability Zone/,
    (plan) => `${plan.instanceType} is not offered in this zone. Fix: ${another(plan)}, or imagegen move-az`,
  ],
];

function another({ instanceType, instanceTypes }: AwsHostPlan): string {
  const next = instanceTypes.find((type) => type !== instanceType);
  return next ? `pulumi config set instanceType ${next}` : "add another type to instanceTypes";
}

/** One line about a refusal that trying again won't mend; null when the errors say something else. */
export function explainRefusal(errors: readonly string[], plan: AwsHostPlan): string | null {
  const text = errors.join("\n");
  const found = REFUSALS.find(([pattern]) => pattern.test(text));
  return found ? `No host: ${found[1](plan)}` : null;
}
