import type { PurchaseOption } from "../../contract.ts";
import { roundUsd } from "../../units.ts";
import { balancerItems, type CostPlan, gp3UsdPerMonth, imageUsdPerMonth } from "../aws/cost.ts";
import { type Prices, priceOf } from "../prices/prices.ts";
import { SERVICE_PRICES } from "../prices/service-prices.ts";
import type { FleetForecast } from "./forecast.ts";
import { FREE_DISK_GIB, type GatewayPlan } from "./gateway.ts";
import type { FleetHostsPlan } from "./hosts.ts";
import type { JobsPlan } from "./jobs.ts";
import type { FleetNetworkPlan } from "./network.ts";
import { MOST_BUSY } from "./scaling.ts";

/** What a month at a load takes and costs. */
export interface LoadCost {
  readonly picturesPerMonth: number;
  readonly secondsPerPicture: number;
  readonly hostHours: number;
  readonly formula: string;
  /** Of the first type on the list; null: no price is known. */
  readonly spotUsdPerHour: number | null;
  readonly onDemandUsdPerHour: number | null;
  readonly spotSource: string | null;
  readonly usdPerMonth: number | null;
  readonly usdPer1000: number | null;
  /** The same hours on demand. */
  readonly onDemandUsdPer1000: number | null;
  /** All hosts of both groups for a whole month, each of the most expensive type on the list: no month costs more at these prices. */
  readonly mostUsdPerMonth: number | null;
}

export interface FleetCostInputs {
  readonly hosts: FleetHostsPlan;
  readonly network: FleetNetworkPlan;
  readonly jobs: JobsPlan;
  readonly gateway: GatewayPlan | null;
  readonly forecast: FleetForecast;
  readonly imageBytes: number;
  /** Metrics that alarms look at. */
  readonly alarmMetrics: number;
  readonly sendsWebhooks: boolean;
  readonly secondsPerPicture: number;
  readonly idleMinutes: number;
  readonly picturesPerMonth: number;
  /** From 0 to below 1: the share of the hosts' hours without a picture; null: by the formula. */
  readonly idleShare: number | null;
  readonly prices: Prices;
}

/** The load that a plan is for, where none is named. */
export const PICTURES_PER_MONTH = 20_000;

/** An SDXL picture as PNG, with its job, input and result: assumed. */
const BYTES_PER_JOB = 2e6;
/** Of a job in S3: the job, an attempt and its end, the picture, the result; the job and the result are read. */
const PUTS_PER_JOB = 5;
const GETS_PER_JOB = 4;
/** Of a job in SQS: sent, received, hidden again once, deleted. */
const SQS_REQUESTS_PER_JOB = 4;
/** An idle worker asks three times a minute, writes its record as often, and looks as often whether the fleet is drained. */
const ASKED_PER_HOUR = 180;
/** A task of the gateway lists the workers and asks the queue every ten seconds, and reads the record of each worker. */
const GATEWAY_LOOKS_PER_HOUR = 360;
/** Each worker and gateway with the webhooks' secret lists the pending ones every twenty seconds. */
const WEBHOOK_LOOKS_PER_HOUR = 180;

const HOURS = SERVICE_PRICES.hoursPerMonth;

/** A month without a job, and one with the load. */
export function planFleetCost(inputs: FleetCostInputs): { readonly cost: CostPlan; readonly load: LoadCost } {
  const load = costOfLoad(inputs);
  const items = [...idleItems(inputs), ...loadItems(inputs, load)];
  const sum = (list: CostPlan["items"]) =>
    roundUsd(list.reduce((total, { usdPerMonth }) => total + (usdPerMonth ?? 0), 0));
  const running = sum(items);
  const incomplete = items.some(({ usdPerMonth }) => usdPerMonth === null);
  const source = price(inputs, "spot");
  return {
    cost: {
      asOf: SERVICE_PRICES.asOf,
      region: SERVICE_PRICES.region,
      instancePriceSource: source && `${source.region}: ${source.source}`,
      items,
      runningUsdPerMonth: running,
      stoppedUsdPerMonth: sum(items.filter(({ whileStopped }) => whileStopped)),
      incomplete,
      initialization: null,
    },
    load: {
      ...load,
      usdPerMonth: incomplete ? null : running,
      usdPer1000: incomplete ? null : roundUsd((running / load.picturesPerMonth) * 1000),
    },
  };
}

const price = ({ hosts: { host }, prices }: FleetCostInputs, market: "spot" | "on-demand") =>
  priceOf(prices, market, host.instanceType, host.region);

/** Of the most expensive type that a group may start, in USD an hour; null where a type has no price. */
function highestPrice({ hosts: { host }, prices }: FleetCostInputs, market: "spot" | "on-demand"): number | null {
  const known = host.instanceTypes.map((type) => priceOf(prices, market, type, host.region));
  return known.reduce<number | null>(
    (most, one) => (most === null || one === null ? null : Math.max(most, one.usdPerHour)),
    0,
  );
}

/** Hours of hosts at this load. Jobs are taken to come at random all month, which is the dearest way for them to come. */
function costOfLoad(inputs: FleetCostInputs): Omit<LoadCost, "usdPerMonth" | "usdPer1000"> {
  const { picturesPerMonth: pictures, secondsPerPicture, idleShare, hosts } = inputs;
  const busyHours = (pictures * secondsPerPicture) / 3600;
  const awake = awakeHours(inputs);
  const hostHours =
    idleShare === null
      ? Math.max(hosts.minHosts * HOURS, busyHours / MOST_BUSY, awake)
      : Math.max(hosts.minHosts * HOURS, busyHours / (1 - idleShare));
  const [spot, onDemand] = [price(inputs, "spot"), price(inputs, "on-demand")];
  const [mostForSpot, mostForOnDemand] = [highestPrice(inputs, "spot"), highestPrice(inputs, "on-demand")];
  return {
    picturesPerMonth: pictures,
    secondsPerPicture,
    hostHours: Math.round(hostHours * 10) / 10,
    formula:
      idleShare === null
        ? `the most of minHosts × ${HOURS} h, busy hours / ${MOST_BUSY} and ${HOURS} h × (1 − e^−λT) + n × e^−λT × start; busy hours = pictures × seconds / 3600, λ = pictures an hour, T = idleMinutes, n = pictures`
        : "pictures × seconds / 3600 / (1 − idle), at least minHosts × 730 h",
    spotUsdPerHour: spot?.usdPerHour ?? null,
    onDemandUsdPerHour: onDemand?.usdPerHour ?? null,
    spotSource: spot?.source ?? null,
    onDemandUsdPer1000: onDemand && roundUsd((hostHours * onDemand.usdPerHour * 1000) / pictures),
    mostUsdPerMonth:
      mostForSpot === null || mostForOnDemand === null
        ? null
        : roundUsd(HOURS * (hosts.maxHosts * mostForSpot + hosts.rescueHosts * mostForOnDemand)),
  };
}

/** Hours in which at least one host is there: it stays for `idleMinutes` after each job, and another one boots when the pause was longer. */
function awakeHours({ picturesPerMonth: pictures, idleMinutes, forecast }: FleetCostInputs): number {
  const none = Math.exp(-(pictures / HOURS) * (idleMinutes / 60));
  return Math.min(HOURS, HOURS * (1 - none) + (pictures * none * forecast.warmUpSeconds) / 3600);
}

type Item = CostPlan["items"][number];
const item = (what: string, usdPerMonth: number | null, whileStopped: boolean): Item => ({
  what,
  usdPerMonth: usdPerMonth === null ? null : roundUsd(usdPerMonth),
  whileStopped,
});

/** Paid whether there are jobs or not. */
function idleItems(inputs: FleetCostInputs): Item[] {
  return [...gatewayItems(inputs), ...sharedItems(inputs)];
}

/** A gateway runs all month, also while the fleet is stopped. */
function gatewayItems({ gateway, network, sendsWebhooks }: FleetCostInputs): Item[] {
  if (gateway === null) return [];
  const { count, cpuUnits, memoryMib, diskGib, loadBalancer } = gateway;
  const [cpus, gb] = [cpuUnits / 1024, memoryMib / 1024];
  const taskHour =
    cpus * SERVICE_PRICES.fargateCpuHour +
    gb * SERVICE_PRICES.fargateGbHour +
    (diskGib - FREE_DISK_GIB) * SERVICE_PRICES.fargateDiskGibHour;
  const tasks = count === 1 ? "1 task" : `${count} tasks`;
  const address = addressUsdPerHour(network);
  const looks = count * HOURS * GATEWAY_LOOKS_PER_HOUR;
  const lists = looks + (sendsWebhooks ? count * HOURS * WEBHOOK_LOOKS_PER_HOUR : 0);
  return [
    item(`gateway on Fargate, ${tasks} of ${cpus} vCPU and ${gb} GB`, count * taskHour * HOURS, true),
    ...(address > 0 ? [item(`public addresses of the gateway, ${tasks}`, count * address * HOURS, true)] : []),
    item(
      sendsWebhooks
        ? "requests of the gateway for workers, jobs and pending webhooks"
        : "requests of the gateway for workers and jobs",
      (lists * SERVICE_PRICES.s3ThousandPuts) / 1000 + (looks * SERVICE_PRICES.sqsMillionRequests) / 1e6,
      true,
    ),
    ...balancerItems(loadBalancer),
  ];
}

function sharedItems({ imageBytes, alarmMetrics, network, hosts }: FleetCostInputs): Item[] {
  const items = [
    item(`image in ECR, ${roundUsd(imageBytes / 1e9)} GB at most`, imageUsdPerMonth(imageBytes), true),
    item(
      `alarms on ${alarmMetrics} metrics; ten of an account are free`,
      alarmMetrics * SERVICE_PRICES.alarmMetricMonth,
      true,
    ),
  ];
  if (hosts.host.dashboard)
    items.push(item("CloudWatch dashboard; three of an account are free", SERVICE_PRICES.dashboardMonth, true));
  if (network.kind === "existing") return items;
  if (network.egress === "nat") {
    const hourly = SERVICE_PRICES.natGatewayHour + SERVICE_PRICES.publicAddressHour;
    items.push(item("NAT gateway with its address", hourly * HOURS, true));
  }
  const count = network.interfaceEndpoints.length;
  if (count > 0)
    items.push(item(`${count} interface endpoints`, count * SERVICE_PRICES.interfaceEndpointHour * HOURS, true));
  return items;
}

/** What a host costs beside its instance, by the hour. */
const rootDiskUsdPerHour = ({ host: { root } }: Pick<FleetHostsPlan, "host">) =>
  gp3UsdPerMonth(root.sizeGib, root.iops, root.throughputMib) / HOURS;
const addressUsdPerHour = (network: FleetNetworkPlan) =>
  network.kind === "own" && network.egress === "public" ? SERVICE_PRICES.publicAddressHour : 0;

/** A host of this type with its root disk and its address; null: no price of the type is known. */
export function hostUsdPerHour(
  { hosts, network, prices }: Pick<FleetCostInputs, "hosts" | "network" | "prices">,
  { type, market }: { readonly type: string; readonly market: PurchaseOption },
): { readonly usd: number; readonly source: string } | null {
  const instance = priceOf(prices, market, type, hosts.host.region);
  if (instance === null) return null;
  const usd = instance.usdPerHour + rootDiskUsdPerHour(hosts) + addressUsdPerHour(network);
  return { usd, source: `${instance.region}: ${instance.source}` };
}

/** Paid by the hour of a host, and by the job. */
function loadItems(
  { hosts, network, jobs, gateway, sendsWebhooks }: FleetCostInputs,
  load: Omit<LoadCost, "usdPerMonth" | "usdPer1000">,
): Item[] {
  const { hostHours, picturesPerMonth: pictures, spotUsdPerHour } = load;
  const { host } = hosts;
  // Of a fleet that has had this load for as long as results are kept.
  const kept = (pictures * BYTES_PER_JOB * (jobs.resultDays / 30)) / 1e9;
  const requests = pictures * SQS_REQUESTS_PER_JOB + hostHours * ASKED_PER_HOUR;
  const puts = pictures * PUTS_PER_JOB + hostHours * (ASKED_PER_HOUR + (sendsWebhooks ? WEBHOOK_LOOKS_PER_HOUR : 0));
  const gets = pictures * GETS_PER_JOB + hostHours * (ASKED_PER_HOUR + (gateway?.count ?? 0) * GATEWAY_LOOKS_PER_HOUR);
  const address = addressUsdPerHour(network);
  return [
    item(
      `${hostHours} hours of ${host.instanceType}, spot`,
      spotUsdPerHour === null ? null : hostHours * spotUsdPerHour,
      false,
    ),
    item(`root disks, ${host.root.sizeGib} GiB, for these hours`, hostHours * rootDiskUsdPerHour(hosts), false),
    ...(address > 0 ? [item("public addresses, for these hours", hostHours * address, false)] : []),
    item(`results in S3, ${roundUsd(kept)} GB`, kept * SERVICE_PRICES.s3GbMonth, false),
    item(
      `requests to S3, ${PUTS_PER_JOB} that write and ${GETS_PER_JOB} that read for a job`,
      (puts * SERVICE_PRICES.s3ThousandPuts + gets * SERVICE_PRICES.s3ThousandGets) / 1000,
      false,
    ),
    item(
      `requests to SQS, ${Math.round(requests / 1000)} thousand`,
      (requests * SERVICE_PRICES.sqsMillionRequests) / 1e6,
      false,
    ),
  ];
}
