import type { Finding } from "../../../doctor/checks.ts";
import { type Attempt, quotaOf } from "../stack/launch-errors.ts";
import type { AwsFacts, QuotaFacts } from "./inspect.ts";
import { finding, set, unknown } from "./results.ts";

/** One finding a quota; a market without room is no failure when the other has some. */
export function quotas(facts: AwsFacts): Finding[] {
  const judged = facts.quotas.map((quota) => ({ quota, finding: judgeQuota(facts, quota) }));
  // Fallback means that one market is enough.
  const possible = judged.some(({ finding: { level } }) => level !== "fail");
  return judged.map(({ finding: found }) =>
    found.level === "fail" && possible ? { ...found, level: "warn" as const } : found,
  );
}

function judgeQuota(facts: AwsFacts, { name, code, market, limit, used }: QuotaFacts): Finding {
  const about = "quota";
  const label = `${name} (${code})`;
  if (!limit.known) return unknown(about, `${label}: ${limit.why}`);
  if (limit.value === null) return unknown(about, `${label}: AWS tells no value for it.`);
  const needed = leastVcpus(facts, market, code);
  if (needed === undefined)
    return unknown(about, `${label}: ${limit.value} vCPUs; how many a host takes is not known.`);
  const inUse = used.known ? used.value : 0;
  const text = `${label}: ${limit.value} vCPUs, ${used.known ? `${inUse} in use` : "use not known"}, a host takes ${needed}`;
  const running = facts.host.known && facts.host.value !== undefined && facts.host.value.state === "running";
  const ask = (vcpus: number) =>
    `aws service-quotas request-service-quota-increase --service-code ec2 --quota-code ${code} --desired-value ${vcpus} --region ${facts.region}`;
  if (!running && inUse + needed > limit.value) {
    return finding("fail", about, `${text}: there is no room for one.`, ask(Math.max(8, inUse + 2 * needed)));
  }
  const most = inUse + (running ? needed : 2 * needed);
  if (facts.wishes.replacement === "create-first" && most > limit.value) {
    const mend = `${ask(most)}, or ${set(facts.stack, "replacement", "delete-first")}`;
    return finding("warn", about, `${text}: no room for the second one that replacing it takes.`, mend);
  }
  return finding("ok", about, text);
}

/** vCPUs of the smallest host that this quota counts; undefined when no type's facts are known. */
function leastVcpus({ types: known, attempts }: AwsFacts, market: Attempt["market"], code: string): number | undefined {
  if (!known.known) return undefined;
  const counted = attempts.filter(
    (attempt) => attempt.market === market && quotaOf(attempt.type, market)?.code === code,
  );
  const sizes = known.value
    .filter(({ type }) => counted.some((attempt) => attempt.type === type))
    .map(({ vcpus }) => vcpus);
  return sizes.length === 0 ? undefined : Math.min(...sizes);
}
