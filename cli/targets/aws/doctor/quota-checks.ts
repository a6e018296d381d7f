import { vcpuQuota } from "../../../../infra/contract.ts";
import { quotaIncrease } from "../../../../infra/plan/aws/launch-errors.ts";
import { commandFor } from "../../../core/command-line.ts";
import { type Check, fail, ok, unknown, warn } from "../../../doctor/check.ts";
import type { LaunchCandidate } from "../stack/launch-candidates.ts";
import type { AwsFacts, QuotaFacts } from "./inspect.ts";

/** One check a quota; a quota that is too small is no failure when the other market has room. */
export function quotas(facts: AwsFacts): Check[] {
  const checks = facts.quotas.map((quota) => checkQuota(facts, quota));
  // One market is enough, because the launch falls back to it.
  if (checks.every(({ status }) => status === "fail")) return checks;
  return checks.map((check) => (check.status === "fail" ? { ...check, status: "warn" } : check));
}

function checkQuota(facts: AwsFacts, { name, code, market, limit, used }: QuotaFacts): Check {
  const label = `${name} (${code})`;
  if (!limit.known) return unknown("quota", `${label}: ${limit.reason.message}`);
  if (limit.value === null) return unknown("quota", `${label}: AWS reports no value for it.`);
  const needed = leastVcpus(facts, market, code);
  if (needed === undefined)
    return unknown("quota", `${label}: ${limit.value} vCPUs; how many a host needs is unknown.`);
  const inUse = used.known ? used.value : 0;
  const text = `${label}: ${limit.value} vCPUs, ${used.known ? `${inUse} in use` : "use unknown"}, a host needs ${needed}`;
  const running = facts.host.known && facts.host.value?.state === "running";
  const increase = (vcpus: number) => quotaIncrease({ code, vcpus, region: facts.region });
  if (!running && inUse + needed > limit.value)
    return fail("quota", `${text}: there is no room for one.`, increase(Math.max(8, inUse + 2 * needed)));
  const most = inUse + (running ? needed : 2 * needed);
  if (facts.requirements.replacement === "create-first" && most > limit.value) {
    const fix = `${increase(most)}, or ${commandFor(facts.stack, "up --config replacement=delete-first")}`;
    return warn("quota", `${text}: no room for the second host during a replacement.`, fix);
  }
  return ok("quota", text);
}

/** vCPUs of the smallest host that this quota counts; undefined when no type's properties are known. */
function leastVcpus(
  { types, candidates }: AwsFacts,
  market: LaunchCandidate["market"],
  code: string,
): number | undefined {
  if (!types.known) return undefined;
  const counted = candidates.filter(
    (candidate) => candidate.market === market && vcpuQuota(candidate.type, market)?.code === code,
  );
  const sizes = types.value
    .filter(({ type }) => counted.some((candidate) => candidate.type === type))
    .map(({ vcpus }) => vcpus);
  return sizes.length === 0 ? undefined : Math.min(...sizes);
}
