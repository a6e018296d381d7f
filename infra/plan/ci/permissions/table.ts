import { BALANCER } from "./balancer.ts";
import { FLEET } from "./fleet.ts";
import { HOST } from "./host.ts";
import { IDENTITY } from "./identity.ts";
import { NETWORK } from "./network.ts";
import type { Grants } from "./scopes.ts";
import { SERVICES } from "./services.ts";

/** What the provider calls for one type of resource: to read it (as a refresh does), and to make, change and delete it. */
interface TypePermissions {
  readonly read: Grants;
  readonly write: Grants;
}

export type PermissionTable = Readonly<Record<string, TypePermissions>>;

interface Part {
  readonly name: string;
  readonly types: PermissionTable;
  /** Of EC2's resources, those that these types are. */
  readonly kinds: readonly string[];
}

/** A policy of IAM's holds 6,144 characters: one for each part. */
export const PARTS: readonly Part[] = [
  { name: "host", types: HOST, kinds: ["instance", "launch-template", "snapshot", "volume"] },
  {
    name: "network",
    types: NETWORK,
    kinds: [
      "elastic-ip",
      "internet-gateway",
      "natgateway",
      "route-table",
      "security-group",
      "security-group-rule",
      "subnet",
      "vpc",
      "vpc-endpoint",
      "vpc-flow-log",
    ],
  },
  { name: "balancer", types: BALANCER, kinds: [] },
  { name: "identity", types: IDENTITY, kinds: [] },
  { name: "services", types: SERVICES, kinds: [] },
  { name: "fleet", types: FLEET, kinds: [] },
];
