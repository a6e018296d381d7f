import type { Finding } from "../../doctor/judge.ts";
import { type Attempt, quotaOf } from "../capacity.ts";
import type { TypeFacts } from "../ec2.ts";
import { judgeRecord } from "../record.ts";
import { amisFor } from "./drivers.ts";
import type { AwsFacts, QuotaFacts } from "./facts.ts";
import { TUNNEL_MENDS } from "./mends.ts";

/** The findings for a stack in AWS, in the order in which a first deploy needs them. Pure. */
export function judgeAws(facts: AwsFacts): Finding[] {
  return [
    credentials,
    types,
    offering,
    quotas,
    gpuMemory,
    ebs,
    driver,
    root,
    buildx,
    tunnel,
    host,
    volume,
    service,
  ].flatMap((look) => look(facts));
}

/** What stops an `up`: nothing of it can be had without these. */
export function stopsUp(findings: readonly Finding[]): Finding[] {
  return findings.filter(({ level }) => level === "fail");
}

const finding = (level: Finding["level"], about: string, text: string, mend?: string): Finding => ({
  level,
  about,
  text,
  ...(mend ? { mend } : {}),
});
const unknown = (about: string, why: string) => finding("unknown", about, why);
const set = (stack: string, key: string, value: string) => `imagegen up --stack ${stack} --config ${key}=${value}`;

function credentials({ caller, region }: AwsFacts): Finding[] {
  if (caller.ok) return [finding("ok", "credentials", `${caller.arn}, in ${region}`)];
  const [text = "", mend] = caller.why.split(" Fix: ");
  return [finding("fail", "credentials", text, mend ?? "aws sts get-caller-identity")];
}

function types({ types: known, attempts, stack, caller }: AwsFacts): Finding[] {
  if (!caller.ok) return [];
  if (!known.known) return [unknown("types", known.why)];
  const there = known.value.map(({ type }) => type);
  const names = [...new Set(attempts.map(({ type }) => type))];
  const gone = names.filter((name) => !there.includes(name));
  if (gone.length === 0) return [finding("ok", "types", names.join(", "))];
  const mend = set(stack, "instanceTypes", "g6.xlarge,g5.xlarge,g4dn.xlarge");
  const text = `AWS knows no ${gone.join(", ")} in this region.`;
  return [finding(gone.length === names.length ? "fail" : "warn", "types", text, mend)];
}

function offering({
  offerings,
  attempts,
  wishes: { availabilityZone: zone },
  region,
  stack,
  caller,
}: AwsFacts): Finding[] {
  if (!caller.ok) return [];
  if (!offerings.known) return [unknown("offering", offerings.why)];
  const names = [...new Set(attempts.map(({ type }) => type))];
  const zonesOf = (type: string) => offerings.value[type] ?? [];
  const here = names.filter((type) => (zone ? zonesOf(type).includes(zone) : zonesOf(type).length > 0));
  const place = zone ?? region;
  if (here.length === names.length) return [finding("ok", "offering", `${here.join(", ")} in ${place}`)];
  const missing = names.filter((type) => !here.includes(type));
  const text = `${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} not offered in ${place}.`;
  if (here.length > 0) return [finding("ok", "offering", `${here.join(", ")} in ${place}; ${text}`)];
  const others = [...new Set(names.flatMap(zonesOf))].sort();
  if (others.length === 0) return [finding("fail", "offering", text, "another aws:region, or other instanceTypes")];
  const mend = `imagegen move-az ${others[0]} --stack ${stack}, or ${set(stack, "instanceTypes", "…")} (offered in ${others.join(", ")})`;
  return [finding("fail", "offering", text, mend)];
}

function quotas(facts: AwsFacts): Finding[] {
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

function gpuMemory({ types: known, wishes: { gpuMemoryMib: needed }, stack }: AwsFacts): Finding[] {
  if (!known.known || known.value.length === 0) return [];
  const small = known.value.filter(({ gpuMemoryMib }) => gpuMemoryMib < needed || gpuMemoryMib === 0);
  if (small.length === 0) {
    return [finding("ok", "gpu", known.value.map((type) => `${type.type} ${inGib(type.gpuMemoryMib)}`).join(", "))];
  }
  const text = small.map(
    ({ type, gpuMemoryMib }) =>
      `${type} has ${gpuMemoryMib === 0 ? "no NVIDIA GPU" : `${inGib(gpuMemoryMib)} of GPU memory`}`,
  );
  const mend = set(stack, "instanceTypes", "g6.xlarge,g5.xlarge,g4dn.xlarge");
  return [finding("fail", "gpu", `${text.join(", ")}; the model needs ${inGib(Math.max(needed, 1024))}.`, mend)];
}

const inGib = (mib: number) => `${Number((mib / 1024).toFixed(1))} GiB`;

/** MB/s in AWS's table of types, MiB/s in a volume's settings. */
const MIB = 1.048576;

function ebs({ types: known, wishes: { volumeThroughputMb }, stack }: AwsFacts): Finding[] {
  if (!known.known) return [];
  const planned = volumeThroughputMb * MIB;
  return known.value
    .filter(({ ebsMaximumMbps }) => ebsMaximumMbps > 0)
    .map((type) => judgeEbs(type, volumeThroughputMb, planned, stack));
}

function judgeEbs(
  { type, ebsBaselineMbps, ebsMaximumMbps }: TypeFacts,
  mib: number,
  planned: number,
  stack: string,
): Finding {
  const text = `${type} reads ${ebsMaximumMbps} MB/s in bursts (30 min a day), ${ebsBaselineMbps} lasting; the volume ${mib} MiB/s`;
  if (planned <= ebsBaselineMbps)
    return finding("ok", "ebs", `${type} reads ${ebsBaselineMbps} MB/s lasting; the volume ${mib} MiB/s`);
  if (planned <= ebsMaximumMbps) return finding("ok", "ebs", text);
  const most = Math.max(125, Math.floor(ebsMaximumMbps / MIB));
  return finding(
    "warn",
    "ebs",
    `${text}: more than the host can take is paid for nothing.`,
    set(stack, "volumeThroughputMb", String(most)),
  );
}

function driver({ wishes: { ami, amiId }, cuda, driver: found, stack }: AwsFacts): Finding[] {
  if (!found) return [unknown("driver", `which driver ${ami} has, or which CUDA the image, is not in the table.`)];
  const text = `${ami} has driver ${found.driver} (${found.seen}), CUDA ${cuda} needs ${found.needed}`;
  if (found.fits) return [finding("ok", "driver", amiId ? `${text}; pinned: ${amiId}` : text)];
  const others = amisFor(cuda);
  return [
    finding("fail", "driver", `${text}.`, others[0] ? set(stack, "ami", others[0]) : "an image with an older CUDA"),
  ];
}

function root({ wishes: { rootSizeGb, rootNeededGb }, stack }: AwsFacts): Finding[] {
  const text = `${rootSizeGb} GB; the operating system and two images take ${rootNeededGb} GB`;
  if (rootSizeGb >= rootNeededGb) return [finding("ok", "root disk", text)];
  return [finding("fail", "root disk", `${text}.`, set(stack, "rootSizeGb", String(rootNeededGb)))];
}

function buildx({ buildx: there }: AwsFacts): Finding[] {
  if (there) return [finding("ok", "buildx", "Docker can build and push the image")];
  return [
    finding("fail", "buildx", "Docker's buildx is not installed.", "https://docs.docker.com/build/install-buildx/"),
  ];
}

function tunnel({ tools, wishes: { access } }: AwsFacts): Finding[] {
  if (access !== "ssm") return [];
  const lack = [...(tools.aws ? [] : ["aws"]), ...(tools.plugin ? [] : ["session-manager-plugin"])];
  if (lack.length === 0) return [finding("ok", "tunnel", "aws and session-manager-plugin")];
  return [
    finding("warn", "tunnel", `imagegen open and picture need ${lack.join(" and ")}.`, TUNNEL_MENDS[lack[0] ?? ""]),
  ];
}

function host({ host: known, stack, caller }: AwsFacts): Finding[] {
  if (!caller.ok) return [];
  if (!known.known) return [unknown("host", known.why)];
  const found = known.value;
  if (!found) return [finding("ok", "host", `none yet: imagegen up --stack ${stack}`)];
  const text = `${found.id}, ${found.type} (${found.market}) in ${found.zone}, ${found.state}`;
  if (found.state === "stopped") return [finding("warn", "host", `${text}.`, `imagegen start --stack ${stack}`)];
  return [finding("ok", "host", text)];
}

function volume({ volume: known, host: knownHost, stack, caller }: AwsFacts): Finding[] {
  if (!caller.ok) return [];
  if (!known.known) return [unknown("volume", known.why)];
  const found = known.value;
  if (!found) return [];
  const text = `${found.id}, ${found.sizeGb} GB in ${found.zone}, ${found.state}`;
  const at = knownHost.known ? knownHost.value : undefined;
  if (at?.state === "running" && found.attachedTo !== at.id)
    return [finding("fail", "volume", `${text}, not attached to the host ${at.id}.`, `imagegen up --stack ${stack}`)];
  return [finding("ok", "volume", text)];
}

function service({ record, host: known, stack, now }: AwsFacts): Finding[] {
  const running = known.known && known.value?.state === "running" ? known.value : undefined;
  if (!running) return [];
  if (!record.known) return [unknown("service", record.why)];
  const verdict = judgeRecord(record.value, { instance: running.id, now });
  if (verdict.kind === "ready")
    return [finding("ok", "service", `ready, ${record.value?.ready?.model ?? "its model"}`)];
  if (verdict.kind === "working") return [finding("ok", "service", verdict.text)];
  const mend = `imagegen logs --stack ${stack}`;
  return [
    finding(
      "fail",
      "service",
      `${verdict.text}.`,
      verdict.kind === "silent" ? `${mend}; then imagegen stop and imagegen start` : mend,
    ),
  ];
}
