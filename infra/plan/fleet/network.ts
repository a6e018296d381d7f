import { gatewaySettings, hostSettings } from "../../config/fleet/host-settings.ts";
import type { FleetSettings } from "../../config/fleet/settings.ts";
import { type Problem, qualifyKey } from "../../config/problem.ts";
import { BALANCER_ZONES } from "../aws/cost.ts";
import { secretArns } from "../aws/deployment.ts";
import { type OwnNetworkPlan, planNetwork } from "../aws/network.ts";

/** Existing subnets, or a small VPC with a subnet in each zone. */
export type FleetNetworkPlan =
  | {
      readonly kind: "existing";
      readonly subnetIds: readonly string[];
      /** Of the load balancer; empty without a gateway. */
      readonly albSubnetIds: readonly string[];
      readonly egress: OwnNetworkPlan["egress"];
      readonly hasGateway: boolean;
    }
  | (OwnNetworkPlan & { readonly hasGateway: boolean });

export function planFleetNetwork(settings: FleetSettings, stack: string): FleetNetworkPlan {
  const { subnetIds, albSubnetIds, network, gatewayCount } = settings;
  const hasGateway = gatewayCount > 0;
  const own = planNetwork(hostSettings(settings), stack);
  if (own.kind === "existing")
    return { kind: "existing", subnetIds, albSubnetIds: hasGateway ? albSubnetIds : [], egress: network, hasGateway };
  const closed = own.egress === "endpoints-only";
  // A worker's credentials are of a role that the host takes, with or without a mirror. It protects its host, and a gateway wakes the group.
  const services = [...own.interfaceEndpoints, "sts", "sqs", "autoscaling", ...(hasGateway ? secrets(settings) : [])];
  return { ...own, interfaceEndpoints: closed ? [...new Set(services)] : [], hasGateway };
}

/** ECS reads a gateway's secrets. */
const secrets = (settings: FleetSettings): readonly string[] =>
  secretArns(gatewaySettings(settings)).length > 0 ? ["secretsmanager"] : [];

/** The zones of the load balancer and of the gateway behind it: of those that hosts are in, as far as they go. */
export function gatewayZones(zones: readonly string[], offered: readonly string[]): readonly string[] {
  const others = zones.filter((zone) => !offered.includes(zone));
  return [...zones.filter((zone) => offered.includes(zone)), ...others].slice(0, BALANCER_ZONES);
}

/** A subnet as AWS describes it. */
export interface SubnetFacts {
  readonly id: string;
  readonly zone: string;
  /** Whether what starts in it has a public address. */
  readonly isPublic: boolean;
}

/** Where the tasks are, of existing subnets. */
export interface ChosenSubnets {
  readonly subnetIds: readonly string[];
  readonly publicAddresses: boolean;
}

/** Of the hosts' subnets, those in the balancer's zones: it sends nothing to a task in another one. */
export function chooseGatewaySubnets(
  own: readonly SubnetFacts[],
  balancer: readonly SubnetFacts[],
): ChosenSubnets | { readonly problem: Problem } {
  const zonesOf = (subnets: readonly SubnetFacts[]) => [...new Set(subnets.map(({ zone }) => zone))].sort();
  const zones = zonesOf(balancer);
  const inside = own.filter(({ zone }) => zones.includes(zone));
  const problem = (expected: string) => ({
    problem: {
      path: qualifyKey("albSubnetIds"),
      expected,
      got: `subnets in ${zones.join(", ")}`,
      fix: { set: "albSubnetIds", value: "subnet-…,subnet-…" },
    },
  });
  if (zones.length < BALANCER_ZONES) return problem("subnets in two zones or more");
  if (inside.length === 0)
    return problem(`a zone of subnetIds (${zonesOf(own).join(", ")}): a load balancer reaches no task in another one`);
  // As its hosts: what has no address by itself leaves through something else.
  return { subnetIds: inside.map(({ id }) => id), publicAddresses: inside.some(({ isPublic }) => isPublic) };
}

/** The range of a zone's subnet: by its letter, so that another zone in the region's list moves none. */
export function zoneCidr({ vpcCidr }: Pick<OwnNetworkPlan, "vpcCidr">, zone: string): string {
  const [a, b] = vpcCidr.split(".");
  return `${a}.${b}.${1 + zoneNumber(zone)}.0/24`;
}

/** That of the load balancer's subnet in a zone, where hosts have no public addresses. */
export function balancerCidr({ vpcCidr }: Pick<OwnNetworkPlan, "vpcCidr">, zone: string): string {
  const [a, b] = vpcCidr.split(".");
  return `${a}.${b}.${101 + zoneNumber(zone)}.0/26`;
}

const zoneNumber = (zone: string) => zone.charCodeAt(zone.length - 1) - "a".charCodeAt(0);

/** `us-east-1a` → `a`: what the name of the zone's subnet ends with. */
export const zoneLetter = (zone: string): string => zone.slice(-1);
