import { commandFor } from "../../../core/command-line.ts";
import { type Check, fail, ok, unknown, warn } from "../../../doctor/check.ts";
import type { InstanceTypeSpecs } from "../client/ec2-models.ts";
import { TUNNEL_TOOLS } from "../host/connection.ts";
import { disk, docker, model, permissions } from "./build-checks.ts";
import { amisFor } from "./drivers.ts";
import { host, service, volume } from "./host-checks.ts";
import type { AwsFacts } from "./inspect.ts";
import { offering } from "./offering-check.ts";
import { quotas } from "./quota-checks.ts";

/** The checks of a stack in AWS, in the order in which a first deployment needs them. Pure. */
export function runAwsChecks(facts: AwsFacts): Check[] {
  return [
    state,
    credentials,
    types,
    offering,
    quotas,
    gpuMemory,
    ebs,
    driver,
    rootDisk,
    model,
    permissions,
    docker,
    disk,
    tunnel,
    host,
    volume,
    service,
  ].flatMap((check) => check(facts));
}

const setConfig = (stack: string, key: string, value: string) => commandFor(stack, `up --config ${key}=${value}`);
const setTypes = (stack: string) => setConfig(stack, "instanceTypes", "g6.xlarge,g5.xlarge,g4dn.xlarge");
const typesOf = ({ candidates }: AwsFacts) => [...new Set(candidates.map(({ type }) => type))];

/** Pulumi's state of the stack: without it, everything looks like a first deployment. */
function state({ stateProblem, stateRegion, region, stack }: AwsFacts): Check[] {
  if (stateProblem)
    return [fail("state", stateProblem.message, "export PULUMI_BACKEND_URL=<one that pulumi stack ls can read>")];
  if (stateRegion === null || stateRegion === region) return [];
  const message = `the stack's resources are in ${stateRegion}, its config names ${region}, and a stack can't move to another region.`;
  const other = `for another stack: ${commandFor("<name>", `up --config target=aws --config aws:region=${region}`)}`;
  return [fail("state", message, `${setConfig(stack, "aws:region", stateRegion)}; ${other}`)];
}

function credentials({ caller, region }: AwsFacts): Check[] {
  if (caller.known) return [ok("credentials", `${caller.value.arn}, in ${region}`)];
  const { message, fix = "aws sts get-caller-identity" } = caller.reason;
  return [fail("credentials", message, fix)];
}

function types(facts: AwsFacts): Check[] {
  if (!facts.caller.known) return [];
  if (!facts.types.known) return [unknown("types", facts.types.reason.message)];
  const found = facts.types.value.map(({ type }) => type);
  const wanted = typesOf(facts);
  const missing = wanted.filter((type) => !found.includes(type));
  if (missing.length === 0) return [ok("types", wanted.join(", "))];
  const message = `${missing.join(", ")} ${missing.length === 1 ? "does" : "do"} not exist in this region.`;
  return [(missing.length === wanted.length ? fail : warn)("types", message, setTypes(facts.stack))];
}

function gpuMemory({ types: lookup, requirements: { gpuMemoryMib: needed }, stack }: AwsFacts): Check[] {
  if (!lookup.known || lookup.value.length === 0) return [];
  const small = lookup.value.filter(({ gpuMemoryMib }) => gpuMemoryMib < needed || gpuMemoryMib === 0);
  if (small.length === 0)
    return [ok("gpu", lookup.value.map(({ type, gpuMemoryMib }) => `${type} ${inGib(gpuMemoryMib)}`).join(", "))];
  const found = small.map(
    ({ type, gpuMemoryMib }) =>
      `${type} has ${gpuMemoryMib === 0 ? "no NVIDIA GPU" : `${inGib(gpuMemoryMib)} of GPU memory`}`,
  );
  const message = `${found.join(", ")}; the model needs ${inGib(Math.max(needed, 1024))}.`;
  return [fail("gpu", message, setTypes(stack))];
}

const inGib = (mib: number) => `${Number((mib / 1024).toFixed(1))} GiB`;

/** AWS lists the throughput of types in MB/s, and that of volumes in MiB/s. */
const MIB = 1.048576;

function ebs({ types: lookup, requirements: { volumeThroughputMb }, stack }: AwsFacts): Check[] {
  if (!lookup.known) return [];
  return lookup.value
    .filter(({ ebsMaximumMbps }) => ebsMaximumMbps > 0)
    .map((type) => checkThroughput(type, volumeThroughputMb, stack));
}

function checkThroughput(
  { type, ebsBaselineMbps, ebsMaximumMbps }: InstanceTypeSpecs,
  mib: number,
  stack: string,
): Check {
  const planned = mib * MIB;
  if (planned <= ebsBaselineMbps) return ok("ebs", `${type} sustains ${ebsBaselineMbps} MB/s; the volume ${mib} MiB/s`);
  const text = `${type} reads ${ebsMaximumMbps} MB/s in bursts (30 min a day) and sustains ${ebsBaselineMbps}; the volume ${mib} MiB/s`;
  if (planned <= ebsMaximumMbps) return ok("ebs", text);
  const most = Math.max(125, Math.floor(ebsMaximumMbps / MIB));
  const message = `${text}, more than the host can use.`;
  return warn("ebs", message, setConfig(stack, "volumeThroughputMb", String(most)));
}

function driver({ requirements: { ami, amiId }, cuda, driver: found, stack }: AwsFacts): Check[] {
  if (!found) return [unknown("driver", `the driver of ${ami} or the image's CUDA version is not in the table.`)];
  const text = `${ami} has driver ${found.driver} (${found.seen}), CUDA ${cuda} needs ${found.needed}`;
  if (found.fits) return [ok("driver", amiId ? `${text}; pinned: ${amiId}` : text)];
  const [other] = amisFor(cuda);
  return [fail("driver", `${text}.`, other ? setConfig(stack, "ami", other) : "an image with an older CUDA")];
}

function rootDisk({ requirements: { rootSizeGb, rootNeededGb }, stack }: AwsFacts): Check[] {
  const text = `${rootSizeGb} GB; the operating system and two images need ${rootNeededGb} GB`;
  if (rootSizeGb >= rootNeededGb) return [ok("root-disk", text)];
  return [fail("root-disk", `${text}.`, setConfig(stack, "rootSizeGb", String(rootNeededGb)))];
}

function tunnel({ missingTunnelTools: missing, requirements: { access }, stack }: AwsFacts): Check[] {
  if (access !== "ssm") return [];
  if (missing.length === 0) return [ok("tunnel", Object.keys(TUNNEL_TOOLS).join(" and "))];
  return [
    warn(
      "tunnel",
      `${commandFor(stack, "open")} needs ${missing.join(" and ")}, and so does a picture.`,
      TUNNEL_TOOLS[missing[0] ?? ""],
    ),
  ];
}
