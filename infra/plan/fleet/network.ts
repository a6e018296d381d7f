import { hostSettings } from "../../config/fleet/host-settings.ts";
import type { FleetSettings } from "../../config/fleet/settings.ts";
import { type OwnNetworkPlan, planNetwork } from "../aws/network.ts";

/** Existing subnets, or a small VPC with a subnet in each zone. */
export type FleetNetworkPlan =
  | { readonly kind: "existing"; readonly subnetIds: readonly string[]; readonly egress: OwnNetworkPlan["egress"] }
  | OwnNetworkPlan;

export function planFleetNetwork(settings: FleetSettings, stack: string): FleetNetworkPlan {
  const { subnetIds, network } = settings;
  const own = planNetwork(hostSettings(settings), stack);
  if (own.kind === "existing") return { kind: "existing", subnetIds, egress: network };
  const closed = own.egress === "endpoints-only";
  // A worker's credentials are of a role that the host takes, with or without a mirror.
  const services = [...own.interfaceEndpoints, "sts", "sqs"];
  return { ...own, interfaceEndpoints: closed ? [...new Set(services)] : [] };
}

/** The range of a zone's subnet: by its letter, so that another zone in the region's list moves none. */
export function zoneCidr({ vpcCidr }: Pick<OwnNetworkPlan, "vpcCidr">, zone: string): string {
  const [a, b] = vpcCidr.split(".");
  return `${a}.${b}.${1 + (zone.charCodeAt(zone.length - 1) - "a".charCodeAt(0))}.0/24`;
}

/** `us-east-1a` → `a`: what the name of the zone's subnet ends with. */
export const zoneLetter = (zone: string): string => zone.slice(-1);
