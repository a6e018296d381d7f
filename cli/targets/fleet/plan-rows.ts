import { INSTANCE_TYPES } from "../../../infra/plan/aws/instance-types.ts";
import { IDLE_QUEUE_SECONDS } from "../../../infra/plan/fleet/forecast.ts";
import type { FleetNetworkPlan } from "../../../infra/plan/fleet/network.ts";
import type { FleetPlan } from "../../../infra/plan/fleet/plan.ts";
import { formatSeconds, formatUsd } from "../../../infra/units.ts";
import { modelSizeText } from "../plan-rows.ts";

/** The plan of a fleet, for people; the costs are last. */
export function fleetPlanRows(plan: FleetPlan): [string, string][] {
  const { hosts, jobs, cost } = plan;
  return [
    ["model", `${plan.modelId} (${modelSizeText(plan.model)}), ${modelPlace(plan)}`],
    [
      "hosts",
      `spot, ${hosts.minHosts} to ${hosts.maxHosts}, of ${describeTypes(plan)}; on demand, 0 to ${hosts.rescueHosts}`,
    ],
    ["root disk", `${hosts.host.root.sizeGib} GiB each; models are on the host's own NVMe disk`],
    ["network", describeNetwork(plan.network)],
    ...gatewayRows(plan),
    ["jobs", `an SQS queue; results in S3 for ${jobs.resultDays} days, ${jobs.retain ? "kept" : "deleted"} on destroy`],
    ...scalingRows(plan),
    ...forecastRows(plan),
    ["idle", `${formatUsd(cost.stoppedUsdPerMonth)} a month without a host`],
    ...loadRows(plan),
    ...cost.items.map(({ what, usdPerMonth }): [string, string] => ["", `${amount(usdPerMonth)}  ${what}`]),
    ["", `list prices of ${cost.region} noted on ${cost.asOf} or later, without traffic, CloudWatch metrics and logs`],
    ...(cost.instancePriceSource === null
      ? []
      : [["", `the instance's: ${cost.instancePriceSource}`] as [string, string]]),
    ...plan.warnings.map((note): [string, string] => ["note", note]),
  ];
}

function modelPlace({ modelCache, hosts }: FleetPlan): string {
  if (modelCache === "baked") return "in the image";
  return hosts.host.mirror === null
    ? "from the Hub to each host"
    : `from s3://${hosts.host.mirror.bucket} to each host`;
}

function describeTypes({ hosts: { host }, region }: FleetPlan): string {
  const types = host.instanceTypes.map((type) => {
    const gpu = INSTANCE_TYPES[type]?.gpu;
    return gpu ? `${type} (${gpu})` : type;
  });
  return `${types.join(", ")} in all zones of ${region}`;
}

function describeNetwork(network: FleetNetworkPlan): string {
  if (network.kind === "existing") return `${network.subnetIds.join(", ")}, existing ones`;
  const inbound = network.hasGateway ? "no inbound access but the load balancer's" : "no inbound access";
  if (network.egress === "public") return `a new VPC with a subnet in each zone: public addresses, ${inbound}`;
  if (network.egress === "nat") return "a new VPC with a subnet in each zone, behind one NAT gateway";
  return `a new VPC with a subnet in each zone, without egress: endpoints for ${network.interfaceEndpoints.join(", ")} and s3, in one zone`;
}

function gatewayRows({ gateway, network }: FleetPlan): [string, string][] {
  if (gateway === null) return [["gateway", "none: programs send jobs through SQS and S3 themselves"]];
  const { count, cpuUnits, memoryMib, loadBalancer } = gateway;
  const place = loadBalancer.internal ? "an internal load balancer" : "a load balancer";
  const address = network.egress === "public" ? ", with public addresses to reach AWS by" : "";
  return [
    [
      "gateway",
      `${count === 1 ? "1 task" : `${count} tasks`} of ${cpuUnits / 1024} vCPU and ${memoryMib / 1024} GB on Fargate${address}`,
    ],
    ["", `behind ${place} with TLS, for ${loadBalancer.allowedCidrs.join(", ")}`],
  ];
}

function scalingRows({ scaling }: FleetPlan): [string, string][] {
  const formulas = Object.entries(scaling.formulas);
  return formulas.map(([name, formula], index) => [index === 0 ? "scaling" : "", `${name}: ${formula}`]);
}

function forecastRows({ forecast }: FleetPlan): [string, string][] {
  return [
    [
      "from zero",
      `${formatSeconds(forecast.zeroSeconds)} from a job to its picture, estimated; ${formatSeconds(forecast.askedSeconds)} where whoever sends it raises the group's desired count`,
    ],
    ...forecast.steps.map(({ what, seconds, formula }): [string, string] => [
      "",
      `${String(seconds).padStart(5)} s  ${what}: ${formula}`,
    ]),
    ["", `after six hours without a request, SQS's figures may come up to ${formatSeconds(IDLE_QUEUE_SECONDS)} later`],
  ];
}

function loadRows({ load }: FleetPlan): [string, string][] {
  const price = load.usdPer1000 === null ? "no price is known" : `${formatUsd(load.usdPer1000)} for 1,000 pictures`;
  const month = load.usdPerMonth === null ? "" : `, ${formatUsd(load.usdPerMonth)} a month`;
  return [
    ["load", `${load.picturesPerMonth} pictures a month of ${load.secondsPerPicture} s: ${price}${month}`],
    ["", `${load.hostHours} host hours: ${load.formula}`],
    ...(load.onDemandUsdPer1000 === null
      ? []
      : [
          ["", `the same hours on demand: ${formatUsd(load.onDemandUsdPer1000)} for 1,000, instances alone`] as [
            string,
            string,
          ],
        ]),
    ...(load.mostUsdPerMonth === null
      ? []
      : [
          ["", `all hosts of both groups all month, instances alone: ${formatUsd(load.mostUsdPerMonth)}`] as [
            string,
            string,
          ],
        ]),
  ];
}

const amount = (value: number | null) => (value === null ? "?" : value.toFixed(2)).padStart(8);
