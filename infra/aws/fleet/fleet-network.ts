import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { OwnNetworkPlan } from "../../plan/aws/network.ts";
import {
  balancerCidr,
  type ChosenSubnets,
  type FleetNetworkPlan,
  gatewayZones,
  zoneCidr,
  zoneLetter,
} from "../../plan/fleet/network.ts";
import { createEndpoints } from "../network/endpoints.ts";
import { createNatGateway, createPublicSubnet } from "../network/public-subnet.ts";
import { createClosedVpc } from "../network/vpc.ts";

export interface FleetNetworkArgs {
  readonly plan: FleetNetworkPlan;
  readonly region: string;
  /** All zones of the region: a subnet costs nothing, and one that hosts are in can't be removed. */
  readonly zones: readonly string[];
  /** Those that offer a type of the list: hosts are started there alone. */
  readonly offered: readonly string[];
  readonly bucketArn: pulumi.Output<string>;
  /** Of an existing network: those for the gateway's tasks; null without a gateway. */
  readonly gatewaySubnets: ChosenSubnets | null;
}

/** What the groups are put into. */
interface FleetNetworkResources {
  readonly vpcId: pulumi.Output<string>;
  readonly subnetIds: readonly pulumi.Input<string>[];
  /** Hosts start after these. */
  readonly routes: readonly pulumi.Resource[];
  /** Null without a gateway. */
  readonly gateway: GatewaySubnets | null;
}

/** Where the gateway's tasks and the load balancer before them are: in the same zones, as a balancer sends nothing to another one. */
export interface GatewaySubnets {
  readonly albSubnetIds: readonly pulumi.Input<string>[];
  readonly subnetIds: readonly pulumi.Input<string>[];
  /** Whether tasks have addresses of their own: no NAT gateway and no endpoint is their way to AWS's services. */
  readonly publicAddresses: boolean;
}

/** Existing subnets, or a small VPC with a subnet in every zone. No inbound access. */
export class FleetNetwork extends pulumi.ComponentResource implements FleetNetworkResources {
  readonly vpcId: pulumi.Output<string>;
  readonly subnetIds: readonly pulumi.Input<string>[];
  readonly routes: readonly pulumi.Resource[];
  readonly gateway: GatewaySubnets | null;

  constructor(name: string, args: FleetNetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:fleet:FleetNetwork", name, {}, opts);
    const { plan } = args;
    const made = plan.kind === "existing" ? lookupVpc(plan, args, this) : createFleetVpc(name, plan, args, this);
    this.vpcId = made.vpcId;
    this.subnetIds = made.subnetIds;
    this.routes = made.routes;
    this.gateway = made.gateway;
    this.registerOutputs({ vpcId: this.vpcId });
  }
}

function lookupVpc(
  { subnetIds, albSubnetIds }: Extract<FleetNetworkPlan, { kind: "existing" }>,
  { gatewaySubnets }: FleetNetworkArgs,
  parent: pulumi.Resource,
): FleetNetworkResources {
  const { vpcId } = aws.ec2.getSubnetOutput({ id: subnetIds[0] ?? "" }, { parent });
  return { vpcId, subnetIds, routes: [], gateway: gatewaySubnets && { albSubnetIds, ...gatewaySubnets } };
}

function createFleetVpc(
  name: string,
  plan: OwnPlan,
  args: FleetNetworkArgs,
  parent: pulumi.Resource,
): FleetNetworkResources {
  const child = { parent };
  const vpc = createClosedVpc(name, plan, parent);
  const table = new aws.ec2.RouteTable(`${name}-routes`, { vpcId: vpc.id }, child);
  const zones = [...args.zones].sort();
  const subnets = zones.map((zone) => {
    const subnet = new aws.ec2.Subnet(
      `${name}-subnet-${zoneLetter(zone)}`,
      {
        vpcId: vpc.id,
        cidrBlock: zoneCidr(plan, zone),
        availabilityZone: zone,
        mapPublicIpOnLaunch: plan.egress === "public",
        tags: { Name: `${name}-host-${zoneLetter(zone)}` },
      },
      child,
    );
    const association = new aws.ec2.RouteTableAssociation(
      `${name}-routes-${zoneLetter(zone)}`,
      { subnetId: subnet.id, routeTableId: table.id },
      child,
    );
    return { zone, subnet, association };
  });
  const used = subnets.filter(({ zone }) => args.offered.includes(zone));
  const [first] = used;
  if (!first) throw new Error("a network without a zone: the program has refused that before");
  const { routes, internet } = createRoutes(name, plan, args, { vpc, table, first, parent });
  const internetParts = { vpc, gateway: internet, parent };
  const gateway = plan.hasGateway ? placeGateway(name, plan, args, { subnets, ...internetParts }) : null;
  return {
    vpcId: vpc.id,
    subnetIds: used.map(({ subnet }) => subnet.id),
    routes: [...used.map(({ association }) => association), ...routes],
    gateway,
  };
}

type OwnPlan = Extract<FleetNetworkPlan, { kind: "own" }>;

/** In the hosts' subnets of two zones; behind a NAT gateway the balancer has public ones of its own. */
function placeGateway(
  name: string,
  plan: OwnPlan,
  { zones, offered }: FleetNetworkArgs,
  {
    subnets,
    ...parts
  }: Parameters<typeof createPublicSubnet>[3] & {
    readonly subnets: readonly { readonly zone: string; readonly subnet: aws.ec2.Subnet }[];
  },
): GatewaySubnets {
  const chosen = gatewayZones([...zones].sort(), offered);
  const subnetIds = subnets.filter(({ zone }) => chosen.includes(zone)).map(({ subnet }) => subnet.id);
  const createOwn = (zone: string) =>
    createPublicSubnet(`${name}-alb-${zoneLetter(zone)}`, balancerCidr(plan, zone), zone, parts).id;
  return {
    subnetIds,
    publicAddresses: plan.egress === "public",
    albSubnetIds: plan.egress === "nat" ? chosen.map(createOwn) : subnetIds,
  };
}

interface VpcParts {
  readonly vpc: aws.ec2.Vpc;
  readonly table: aws.ec2.RouteTable;
  /** Where what there is one of stands. */
  readonly first: { readonly zone: string; readonly subnet: aws.ec2.Subnet };
  readonly parent: pulumi.Resource;
}

/** To everything else: endpoints alone, the internet gateway, or a NAT gateway before it; to S3, from where models come, in each case free. */
function createRoutes(
  name: string,
  plan: OwnNetworkPlan,
  { region, bucketArn }: FleetNetworkArgs,
  { vpc, table, first, parent }: VpcParts,
): { readonly routes: pulumi.Resource[]; readonly internet: aws.ec2.InternetGateway | null } {
  if (plan.egress === "endpoints-only") {
    const s3Statements = bucketArn.apply((arn) => [bucketStatement(arn)]);
    const of = { region, vpcId: vpc.id, subnetId: first.subnet.id, routeTableId: table.id };
    return { routes: createEndpoints(name, { plan, ...of, s3Statements, parent }), internet: null };
  }
  const s3 = new aws.ec2.VpcEndpoint(
    `${name}-s3`,
    {
      vpcId: vpc.id,
      serviceName: `com.amazonaws.${region}.s3`,
      vpcEndpointType: "Gateway",
      routeTableIds: [table.id],
    },
    { parent },
  );
  const internet = new aws.ec2.InternetGateway(`${name}-internet`, { vpcId: vpc.id }, { parent });
  const everywhere = { routeTableId: table.id, destinationCidrBlock: "0.0.0.0/0" };
  const way =
    plan.natCidr === null
      ? { gatewayId: internet.id }
      : {
          natGatewayId: createNatGateway(name, plan.natCidr, first.zone, { vpc, gateway: internet, parent }).id,
        };
  return { routes: [s3, new aws.ec2.Route(`${name}-out`, { ...everywhere, ...way }, { parent })], internet };
}

/** The job store through the endpoint; whose request may do what, the roles say. */
const bucketStatement = (bucketArn: string) => ({
  Effect: "Allow",
  Principal: "*",
  Action: ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"],
  Resource: [bucketArn, `${bucketArn}/*`],
});
