import { roundUsd } from "../../units.ts";
import { type Prices, priceOf } from "../prices/prices.ts";
import { SERVICE_PRICES } from "../prices/service-prices.ts";
import type { AwsHostPlan } from "./host.ts";
import { BASE_THROUGHPUT_MIB } from "./instance-types.ts";
import type { LoadBalancerPlan } from "./load-balancer.ts";
import type { AwsNetworkPlan } from "./network.ts";
import type { DataVolumePlan, SnapshotPlan } from "./volume.ts";

/** A load balancer has one public address in each. */
export const BALANCER_ZONES = 2;

interface CostItem {
  readonly what: string;
  /** Null where no price is known. */
  readonly usdPerMonth: number | null;
  /** Whether it is paid while the host is stopped, too. */
  readonly whileStopped: boolean;
}

export interface CostPlan {
  /** The day when the first of all prices but the instance's were noted. */
  readonly asOf: string;
  /** Of all prices but the instance's. */
  readonly region: string;
  /** Where the instance's price is from, with its region; null without one. */
  readonly instancePriceSource: string | null;
  readonly items: readonly CostItem[];
  /** Of the items with a price. */
  readonly runningUsdPerMonth: number;
  readonly stoppedUsdPerMonth: number;
  /** Whether an item is without a price, so that the sums are too low. */
  readonly incomplete: boolean;
  /** Paid once, where a volume is filled from a snapshot at a provisioned rate. */
  readonly initialization: InitializationCost | null;
}

interface InitializationCost {
  /** With the price of the highest rate, and a snapshot as large as the volume: less in most cases. */
  readonly atMostUsd: number;
  readonly atMostSeconds: number;
  readonly formula: string;
}

export interface CostInputs {
  readonly host: AwsHostPlan;
  readonly volume: DataVolumePlan;
  readonly network: AwsNetworkPlan;
  readonly loadBalancer: LoadBalancerPlan | null;
  readonly imageBytes: number;
  readonly snapshots: SnapshotPlan | null;
  readonly prices: Prices;
}

/** What a month of a stack costs, busy or idle, without traffic, CloudWatch metrics and logs. */
export function planCost(inputs: CostInputs): CostPlan {
  const items = [computing(inputs), ...storage(inputs), ...networking(inputs)];
  const sum = (list: readonly CostItem[]) =>
    roundUsd(list.reduce((total, { usdPerMonth }) => total + (usdPerMonth ?? 0), 0));
  return {
    asOf: SERVICE_PRICES.asOf,
    region: SERVICE_PRICES.region,
    items,
    runningUsdPerMonth: sum(items),
    stoppedUsdPerMonth: sum(items.filter(({ whileStopped }) => whileStopped)),
    incomplete: items.some(({ usdPerMonth }) => usdPerMonth === null),
    instancePriceSource: instancePriceSource(inputs),
    initialization: initializationCost(inputs.volume.sizeGib, inputs.volume.initializationRateMib),
  };
}

const instancePrice = ({ host: { instanceType, purchaseOption, region }, prices }: CostInputs) =>
  priceOf(prices, purchaseOption, instanceType, region);

function instancePriceSource(inputs: CostInputs): string | null {
  const price = instancePrice(inputs);
  return price && `${price.region}: ${price.source}`;
}

function computing(inputs: CostInputs): CostItem {
  const { instanceType, purchaseOption } = inputs.host;
  const price = instancePrice(inputs);
  return {
    what: `${instanceType}, ${purchaseOption}`,
    usdPerMonth: price && roundUsd(price.usdPerHour * SERVICE_PRICES.hoursPerMonth),
    whileStopped: false,
  };
}

/** Null: the volume is filled when it is read, without a charge. */
function initializationCost(snapshotGib: number, rateMib: number | null): InitializationCost | null {
  if (rateMib === null) return null;
  return {
    atMostUsd: roundUsd(snapshotGib * SERVICE_PRICES.initializationGib),
    atMostSeconds: Math.ceil((snapshotGib * 1024) / rateMib),
    formula: `GiB × ${SERVICE_PRICES.initializationGib} USD; GiB × 1024 / ${rateMib} MiB/s`,
  };
}

function storage({ host, volume, imageBytes, snapshots }: CostInputs): CostItem[] {
  const always = (what: string, usdPerMonth: number): CostItem => ({
    what,
    usdPerMonth: roundUsd(usdPerMonth),
    whileStopped: true,
  });
  const items = [
    always(`root disk, ${host.root.sizeGib} GiB`, gp3(host.root.sizeGib, host.root.iops, host.root.throughputMib)),
    always(`image in ECR, ${roundUsd(imageBytes / 1e9)} GB at most`, imageUsdPerMonth(imageBytes)),
  ];
  if (volume.existingVolumeId === null) {
    const { sizeGib, iops, throughputMib } = volume;
    items.unshift(always(`data volume, ${sizeGib} GiB`, gp3(sizeGib, iops, throughputMib)));
    if (snapshots) {
      items.push(always("snapshots, a full one at most", sizeGib * SERVICE_PRICES.snapshotGibMonth));
    }
  }
  if (host.dashboard)
    items.push(always("CloudWatch dashboard; three of an account are free", SERVICE_PRICES.dashboardMonth));
  return items;
}

/** Paid all month, whether there is a host or not. */
const hourly = (what: string, usd: number): CostItem => ({
  what,
  usdPerMonth: roundUsd(usd * SERVICE_PRICES.hoursPerMonth),
  whileStopped: true,
});

function networking({ network, loadBalancer }: CostInputs): CostItem[] {
  const items: CostItem[] = [];
  if (network.kind === "own") {
    const { egress, interfaceEndpoints } = network;
    if (egress === "public")
      items.push({ ...hourly("public address", SERVICE_PRICES.publicAddressHour), whileStopped: false });
    if (egress === "nat")
      items.push(
        hourly("NAT gateway with its address", SERVICE_PRICES.natGatewayHour + SERVICE_PRICES.publicAddressHour),
      );
    if (interfaceEndpoints.length > 0) {
      const count = interfaceEndpoints.length;
      items.push(hourly(`${count} interface endpoints`, count * SERVICE_PRICES.interfaceEndpointHour));
    }
  }
  return loadBalancer ? [...items, ...balancerItems(loadBalancer)] : items;
}

/** Of a load balancer, without its traffic. */
export function balancerItems({ internal }: Pick<LoadBalancerPlan, "internal">): CostItem[] {
  const items = [hourly("load balancer", SERVICE_PRICES.loadBalancerHour)];
  if (internal) return items;
  const addresses = `${BALANCER_ZONES} public addresses of the load balancer`;
  return [...items, hourly(addresses, BALANCER_ZONES * SERVICE_PRICES.publicAddressHour)];
}

/** Of one image in ECR. */
export const imageUsdPerMonth = (bytes: number) => roundUsd((bytes / 1e9) * SERVICE_PRICES.ecrGbMonth);

/** Of a gp3 volume. */
export const gp3UsdPerMonth = (sizeGib: number, iops: number, throughputMib: number) =>
  roundUsd(gp3(sizeGib, iops, throughputMib));

function gp3(sizeGib: number, iops: number, throughputMib: number): number {
  return (
    sizeGib * SERVICE_PRICES.gp3GibMonth +
    Math.max(0, iops - 3000) * SERVICE_PRICES.gp3IopsMonth +
    Math.max(0, throughputMib - BASE_THROUGHPUT_MIB) * SERVICE_PRICES.gp3ThroughputMonth
  );
}
