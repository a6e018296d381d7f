import { INSTANCE_TYPES } from "../../../../infra/plan/aws/instance-types.ts";
import type { AwsNetworkPlan } from "../../../../infra/plan/aws/network.ts";
import type { AwsPlan } from "../../../../infra/plan/aws/plan.ts";
import { AWS_RATES } from "../../../../infra/plan/aws/startup.ts";
import { formatBytes, formatSeconds } from "../../../../infra/units.ts";

/** The plan of a stack on AWS as aligned lines, for people; the costs are last, one line each. */
export function describeAwsPlan(plan: AwsPlan): string {
  const { host, volume, startupEstimate, readiness, cost } = plan;
  const size = `${formatBytes(startupEstimate.modelBytes)}${startupEstimate.modelBytesSource === "manifest" ? "" : ", estimated"}`;
  const rows: [string, string][] = [
    ["model", `${plan.modelId} (${size}), ${plan.modelCache === "baked" ? "in the image" : "on the volume"}`],
    ["host", describeHost(plan)],
    ["volume", describeVolume(plan)],
    ["root disk", `${host.root.sizeGib} GiB, for an image of ${formatBytes(startupEstimate.imageBytes)} at most`],
    ["network", describeNetwork(plan.network)],
    ["access", plan.loadBalancer ? `load balancer with TLS, for ${plan.loadBalancer.allowedCidrs.join(", ")}` : TUNNEL],
    ["first start", `${formatSeconds(startupEstimate.firstSeconds)}, estimated, after the image is built and pushed`],
    [
      "cached",
      `${formatSeconds(startupEstimate.cachedSeconds)} on a new host: boot, pull at ${PULL}, read at ${startupEstimate.readMbps} MB/s`,
    ],
    ["baked", formatSeconds(startupEstimate.bakedSeconds)],
    ["given up", `after ${formatSeconds(readiness.readyTimeoutSeconds)}`],
    ["on destroy", DESTROY[volume.onDestroy]],
    ["cost", `${usd(cost.runningUsdPerMonth)} a month${cost.incomplete ? " and what has no price below" : ""}`],
    ["stopped", `${usd(cost.stoppedUsdPerMonth)} a month`],
    ...cost.items.map(({ what, usdPerMonth }): [string, string] => ["", `${amount(usdPerMonth)}  ${what}`]),
    ["", `list prices of ${cost.region} as of ${cost.asOf}, without traffic`],
    ...plan.warnings.map((note): [string, string] => ["note", note]),
  ];
  return rows.map(([name, value]) => `${name.padEnd(12)} ${value}`).join("\n");
}

const TUNNEL = "nothing listens; imagegen open makes a tunnel";
const PULL = `${formatBytes(AWS_RATES.pullBytesPerSecond)}/s`;
const DESTROY = {
  retain: "the volume is kept",
  snapshot: "the volume goes, a last snapshot is kept",
  delete: "the volume and its models go",
} as const;

function describeHost({ host, region }: AwsPlan): string {
  const gpu = INSTANCE_TYPES[host.instanceType]?.gpu;
  const others = host.instanceTypes.filter((type) => type !== host.instanceType);
  const healing = host.selfHealing ? ", in a group that makes it anew" : "";
  const orElse = others.length > 0 ? `, or else ${others.join(", ")}` : "";
  return `${host.instanceType}${gpu ? ` (${gpu})` : ""}, ${host.purchaseOption}, in ${region}${healing}${orElse}`;
}

function describeVolume({ volume, startupEstimate }: AwsPlan): string {
  if (volume.existingVolumeId !== null) return `${volume.existingVolumeId}, as it is`;
  const fetch = startupEstimate.bytesToFetch > 0 ? `, to fetch ${formatBytes(startupEstimate.bytesToFetch)}` : "";
  const from = volume.snapshotId === null ? "" : `, from ${volume.snapshotId}`;
  return `${volume.sizeGib} GiB gp3, ${volume.iops} IOPS, ${volume.throughputMib} MiB/s${from}${fetch}`;
}

function describeNetwork(network: AwsNetworkPlan): string {
  if (network.kind === "existing") return `${network.subnetId}, as it is`;
  if (network.egress === "public") return "a VPC of its own: a public address, nothing comes in";
  if (network.egress === "nat") return "a VPC of its own, out by a NAT gateway";
  return `a VPC of its own without a way out: ${network.interfaceEndpoints.join(", ")} and s3 inside`;
}

const usd = (value: number) => `${value.toFixed(2)} USD`;
const amount = (value: number | null) => (value === null ? "?" : value.toFixed(2)).padStart(8);
