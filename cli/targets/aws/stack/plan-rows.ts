import { INSTANCE_TYPES } from "../../../../infra/plan/aws/instance-types.ts";
import type { AwsNetworkPlan } from "../../../../infra/plan/aws/network.ts";
import type { AwsPlan } from "../../../../infra/plan/aws/plan.ts";
import { AWS_RATES } from "../../../../infra/plan/aws/startup.ts";
import { formatBytes, formatSeconds, formatUsd } from "../../../../infra/units.ts";
import { commandFor } from "../../../core/command-line.ts";
import { modelSizeText } from "../../plan-rows.ts";
import { pictureCostRows } from "./picture-cost-rows.ts";

/** The plan of a stack in AWS, for people; the costs are last, one row each. */
export function awsPlanRows(plan: AwsPlan): [string, string][] {
  const { host, volume, startupEstimate, readiness, cost } = plan;
  const size = modelSizeText(startupEstimate);
  return [
    ["model", `${plan.modelId} (${size}), ${plan.modelCache === "baked" ? "in the image" : "on the volume"}`],
    ["host", describeHost(plan)],
    ["volume", describeVolume(plan)],
    ["root disk", `${host.root.sizeGib} GiB, for an image of ${formatBytes(startupEstimate.imageBytes)} at most`],
    ["network", describeNetwork(plan.network)],
    [
      "access",
      plan.loadBalancer
        ? `load balancer with TLS, for ${plan.loadBalancer.allowedCidrs.join(", ")}`
        : tunnelTo(plan.stack),
    ],
    ["first start", `${formatSeconds(startupEstimate.firstSeconds)}, estimated, after the image is built and pushed`],
    [
      "cached",
      `${formatSeconds(startupEstimate.cachedSeconds)} on a new host: boot, pull at ${PULL}, read at ${startupEstimate.readMbps} MB/s`,
    ],
    ...readRows(plan),
    ["baked", formatSeconds(startupEstimate.bakedSeconds)],
    ["timeout", formatSeconds(readiness.readyTimeoutSeconds)],
    ["on destroy", `${DESTROY[volume.onDestroy]}, the images are ${plan.image.retain ? "kept" : "deleted"}`],
    ["cost", `${formatUsd(cost.runningUsdPerMonth)} a month${cost.incomplete ? " plus the rows without a price" : ""}`],
    ["stopped", `${formatUsd(cost.stoppedUsdPerMonth)} a month`],
    ...cost.items.map(({ what, usdPerMonth }): [string, string] => ["", `${amount(usdPerMonth)}  ${what}`]),
    ...initializationRow(cost.initialization),
    ["", `list prices of ${cost.region} noted on ${cost.asOf} or later, without traffic, CloudWatch metrics and logs`],
    ...(cost.instancePriceSource === null
      ? []
      : [["", `the instance's: ${cost.instancePriceSource}`] as [string, string]]),
    ...pictureCostRows(plan),
    ...plan.warnings.map((note): [string, string] => ["note", note]),
    ...storeNote(plan),
  ];
}

/** Less is not worth another host, which the key needs once. */
const LEAST_GAIN_SECONDS = 10;

/** The same start by where the model comes from, with the formulas. */
function readRows({ instanceStore }: AwsPlan): [string, string][] {
  if (instanceStore === null) return [];
  const { volumeBaseline, volumeBurst, mirror, hub, copy } = instanceStore;
  const row = (what: string, { seconds, formula }: typeof copy, title = ""): [string, string] => [
    title,
    `${formatSeconds(seconds)}: ${what} (${formula})`,
  ];
  return [
    row("the volume at what EBS sustains", volumeBaseline, "model from"),
    row("the volume at what EBS reaches for half an hour a day", volumeBurst),
    row("a copy on the instance store that the mirror fills", mirror),
    row("one that the Hub would fill, which no start waits for", hub),
    row("the copy after a reboot", copy),
  ];
}

/** Whether a copy on the instance store is worth it. */
function storeNote({ stack, host, instanceStore }: AwsPlan): [string, string][] {
  if (instanceStore === null) return [];
  const { enabled, gainAtBaselineSeconds: baseline, gainAtBurstSeconds: burst } = instanceStore;
  if (enabled && baseline <= 0) return [["note", "instanceStoreCache makes no start sooner here"]];
  if (enabled || baseline < LEAST_GAIN_SECONDS) return [];
  const start = host.mirror === null ? "a start after a reboot (with a modelMirror, on a new host too)" : "a start";
  const atBurst = burst > 0 ? `${formatSeconds(burst)} at its burst` : "not at its burst";
  const command = commandFor(stack, "up --config instanceStoreCache=true");
  return [
    [
      "note",
      `a copy of the model on the instance store makes ${start} ${formatSeconds(baseline)} sooner than EBS at what it sustains, ${atBurst}: ${command} (replaces the host)`,
    ],
  ];
}

function initializationRow(cost: AwsPlan["cost"]["initialization"]): [string, string][] {
  if (cost === null) return [];
  const { atMostUsd, atMostSeconds, formula } = cost;
  return [
    [
      "snapshot",
      `${formatUsd(atMostUsd)} once and ${formatSeconds(atMostSeconds)}, both at most: the size of the snapshot decides (${formula})`,
    ],
  ];
}

const tunnelTo = (stack: string) => `no open port; ${commandFor(stack, "open")} makes a tunnel`;
const PULL = `${formatBytes(AWS_RATES.pullBytesPerSecond)}/s`;
const DESTROY = {
  retain: "the volume is kept",
  snapshot: "the volume is deleted, a last snapshot is kept",
  delete: "the volume and its models are deleted",
} as const;

function describeHost({ host, region }: AwsPlan): string {
  const gpu = INSTANCE_TYPES[host.instanceType]?.gpu;
  const others = host.instanceTypes.filter((type) => type !== host.instanceType);
  const healing = host.selfHealing ? ", in a self-healing group" : "";
  const orElse = others.length > 0 ? `; fallback: ${others.join(", ")}` : "";
  return `${host.instanceType}${gpu ? ` (${gpu})` : ""}, ${host.purchaseOption}, in ${region}${healing}${orElse}`;
}

function describeVolume({ volume, startupEstimate }: AwsPlan): string {
  if (volume.existingVolumeId !== null) return `${volume.existingVolumeId}, an existing one`;
  const fetch = startupEstimate.bytesToFetch > 0 ? `, to download ${formatBytes(startupEstimate.bytesToFetch)}` : "";
  const from = volume.snapshotId === null ? "" : `, from ${volume.snapshotId}`;
  return `${volume.sizeGib} GiB gp3, ${volume.iops} IOPS, ${volume.throughputMib} MiB/s${from}${fetch}`;
}

function describeNetwork(network: AwsNetworkPlan): string {
  if (network.kind === "existing") return `${network.subnetId}, an existing one`;
  if (network.egress === "public") return "a new VPC: a public address, no inbound access";
  if (network.egress === "nat") return "a new VPC, with a NAT gateway for egress";
  return `a new VPC without egress: endpoints for ${network.interfaceEndpoints.join(", ")} and s3`;
}

const amount = (value: number | null) => (value === null ? "?" : value.toFixed(2)).padStart(8);
