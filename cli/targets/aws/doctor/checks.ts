import type { Finding } from "../../../doctor/checks.ts";
import type { TypeFacts } from "../client/ec2-models.ts";
import { amisFor } from "./drivers.ts";
import { host, service, volume } from "./host-checks.ts";
import type { AwsFacts } from "./inspect.ts";
import { TUNNEL_MENDS } from "./install-links.ts";
import { quotas } from "./quota-checks.ts";
import { finding, set, unknown } from "./results.ts";

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
