import type { AwsHostPlan } from "./host.ts";
import { BASE_THROUGHPUT_MIB, INSTANCE_TYPES } from "./instance-types.ts";
import type { LoadBalancerPlan } from "./load-balancer.ts";
import type { AwsNetworkPlan } from "./network.ts";
import type { DataVolumePlan, SnapshotPlan } from "./volume.ts";

/** List prices. They are printed with their date and place, and are never a bill. */
const PRICES = {
  asOf: "2025-26",
  region: "us-east-1",
  currency: "USD",
  hoursPerMonth: 730,
  gp3GibMonth: 0.08,
  /** Above 3000. */
  gp3IopsMonth: 0.005,
  /** Above `BASE_THROUGHPUT_MIB`. */
  gp3ThroughputMonth: 0.04,
  ecrGbMonth: 0.1,
  snapshotGibMonth: 0.05,
  interfaceEndpointHour: 0.01,
  natGatewayHour: 0.045,
  loadBalancerHour: 0.0225,
  publicAddressHour: 0.005,
  /** Three of an account are free. */
  dashboardMonth: 3,
} as const;

/** A load balancer has one public address in each. */
const BALANCER_ZONES = 2;

interface CostItem {
  readonly what: string;
  /** Null where no price is known. */
  readonly usdPerMonth: number | null;
  /** Whether it is paid while the host is stopped, too. */
  readonly whileStopped: boolean;
}

export interface CostPlan {
  readonly asOf: string;
  readonly region: string;
  readonly items: readonly CostItem[];
  /** Of the items with a price. */
  readonly runningUsdPerMonth: number;
  readonly stoppedUsdPerMonth: number;
  /** Whether an item is without a price, so that the sums are too low. */
  readonly incomplete: boolean;
}

export interface CostInputs {
  readonly host: AwsHostPlan;
  readonly volume: DataVolumePlan;
  readonly network: AwsNetworkPlan;
  readonly loadBalancer: LoadBalancerPlan | null;
  readonly imageBytes: number;
  readonly snapshots: SnapshotPlan | null;
}

/** What a month of a stack costs, busy or idle, without traffic. */
export function planCost(inputs: CostInputs): CostPlan {
  const items = [...computing(inputs.host), ...storage(inputs), ...networking(inputs)];
  const sum = (list: readonly CostItem[]) =>
    round(list.reduce((total, { usdPerMonth }) => total + (usdPerMonth ?? 0), 0));
  return {
    asOf: PRICES.asOf,
    region: PRICES.region,
    items,
    runningUsdPerMonth: sum(items),
    stoppedUsdPerMonth: sum(items.filter(({ whileStopped }) => whileStopped)),
    incomplete: items.some(({ usdPerMonth }) => usdPerMonth === null),
  };
}

function computing({ instanceType, purchaseOption }: AwsHostPlan): CostItem[] {
  const hour = INSTANCE_TYPES[instanceType]?.usdPerHour ?? null;
  // Spot prices change by the hour: the on-demand price is their upper end, and not theirs.
  const known = hour === null || purchaseOption === "spot" ? null : round(hour * PRICES.hoursPerMonth);
  return [{ what: `${instanceType}, ${purchaseOption}`, usdPerMonth: known, whileStopped: false }];
}

function storage({ host, volume, imageBytes, snapshots }: CostInputs): CostItem[] {
  const always = (what: string, usdPerMonth: number): CostItem => ({
    what,
    usdPerMonth: round(usdPerMonth),
    whileStopped: true,
  });
  const items = [
    always(`root disk, ${host.root.sizeGib} GiB`, gp3(host.root.sizeGib, host.root.iops, host.root.throughputMib)),
    always(`image in ECR, ${round(imageBytes / 1e9)} GB at most`, imageUsdPerMonth(imageBytes)),
  ];
  if (volume.existingVolumeId === null) {
    const { sizeGib, iops, throughputMib } = volume;
    items.unshift(always(`data volume, ${sizeGib} GiB`, gp3(sizeGib, iops, throughputMib)));
    if (snapshots) {
      items.push(always("snapshots, a full one at most", sizeGib * PRICES.snapshotGibMonth));
    }
  }
  if (host.dashboard) items.push(always("CloudWatch dashboard; three of an account are free", PRICES.dashboardMonth));
  return items;
}

function networking({ network, loadBalancer }: CostInputs): CostItem[] {
  const hourly = (what: string, usd: number): CostItem => ({
    what,
    usdPerMonth: round(usd * PRICES.hoursPerMonth),
    whileStopped: true,
  });
  const items: CostItem[] = [];
  if (network.kind === "own") {
    const { egress, interfaceEndpoints } = network;
    if (egress === "public") items.push({ ...hourly("public address", PRICES.publicAddressHour), whileStopped: false });
    if (egress === "nat")
      items.push(hourly("NAT gateway with its address", PRICES.natGatewayHour + PRICES.publicAddressHour));
    if (interfaceEndpoints.length > 0) {
      const count = interfaceEndpoints.length;
      items.push(hourly(`${count} interface endpoints`, count * PRICES.interfaceEndpointHour));
    }
  }
  if (loadBalancer) {
    items.push(hourly("load balancer", PRICES.loadBalancerHour));
    const addresses = `${BALANCER_ZONES} public addresses of the load balancer`;
    if (!loadBalancer.internal) items.push(hourly(addresses, BALANCER_ZONES * PRICES.publicAddressHour));
  }
  return items;
}

/** Of one image in ECR. */
export const imageUsdPerMonth = (bytes: number) => round((bytes / 1e9) * PRICES.ecrGbMonth);

/** Of a gp3 volume. */
export const gp3UsdPerMonth = (sizeGib: number, iops: number, throughputMib: number) =>
  round(gp3(sizeGib, iops, throughputMib));

function gp3(sizeGib: number, iops: number, throughputMib: number): number {
  return (
    sizeGib * PRICES.gp3GibMonth +
    Math.max(0, iops - 3000) * PRICES.gp3IopsMonth +
    Math.max(0, throughputMib - BASE_THROUGHPUT_MIB) * PRICES.gp3ThroughputMonth
  );
}

const round = (usd: number) => Math.round(usd * 100) / 100;
