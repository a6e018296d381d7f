import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import {
  type AwsNetworkPlan,
  type ExistingNetworkPlan,
  generationSuffix,
  hostSubnetName,
  type OwnNetworkPlan,
} from "../../plan/aws/network.ts";
import { createEndpoints } from "./endpoints.ts";
import { createNatGateway, createPublicSubnet } from "./public-subnet.ts";
import { createClosedVpc } from "./vpc.ts";

export interface AwsNetworkArgs {
  readonly plan: AwsNetworkPlan;
  readonly region: string;
  /** The zone of the data volume: a host elsewhere could not attach it. */
  readonly zone: pulumi.Output<string>;
  /** Zones of the region, for a load balancer's two subnets. */
  readonly zones: pulumi.Output<readonly string[]>;
}

/** What the host and the load balancer are put into. */
interface NetworkResources {
  readonly vpcId: pulumi.Output<string>;
  readonly subnetId: pulumi.Output<string>;
  readonly albSubnetIds: readonly pulumi.Input<string>[];
  /** The host starts after these: its routes to everything else. */
  readonly routes: readonly pulumi.Resource[];
}

/** An existing subnet, or a small VPC with one subnet in the volume's zone. No inbound access. */
export class AwsNetwork extends pulumi.ComponentResource implements NetworkResources {
  readonly vpcId: pulumi.Output<string>;
  readonly subnetId: pulumi.Output<string>;
  readonly albSubnetIds: readonly pulumi.Input<string>[];
  readonly routes: readonly pulumi.Resource[];

  constructor(name: string, args: AwsNetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:host:AwsNetwork", name, {}, opts);

    const { plan } = args;
    const network = plan.kind === "existing" ? lookupSubnet(plan, this) : createVpc(name, plan, args, this);

    this.vpcId = network.vpcId;
    this.subnetId = network.subnetId;
    this.albSubnetIds = network.albSubnetIds;
    this.routes = network.routes;
    this.registerOutputs({ vpcId: this.vpcId, subnetId: this.subnetId });
  }
}

function lookupSubnet({ subnetId, albSubnetIds }: ExistingNetworkPlan, parent: pulumi.Resource): NetworkResources {
  const subnet = aws.ec2.getSubnetOutput({ id: subnetId }, { parent });
  return { vpcId: subnet.vpcId, subnetId: pulumi.output(subnetId), albSubnetIds, routes: [] };
}

function createVpc(
  name: string,
  plan: OwnNetworkPlan,
  args: AwsNetworkArgs,
  parent: pulumi.Resource,
): NetworkResources {
  const child = { parent };
  const vpc = createClosedVpc(name, plan, parent);
  // Without a gateway, a load balancer is internal.
  const closed = plan.egress === "endpoints-only";
  const gateway = closed ? null : new aws.ec2.InternetGateway(`${name}-internet`, { vpcId: vpc.id }, child);
  const subnet = new aws.ec2.Subnet(
    hostSubnetName(name, plan.generation),
    {
      vpcId: vpc.id,
      cidrBlock: plan.hostCidr,
      availabilityZone: args.zone,
      mapPublicIpOnLaunch: plan.egress === "public",
      tags: { Name: `${name}-host` },
    },
    child,
  );
  const table = new aws.ec2.RouteTable(`${name}-routes`, { vpcId: vpc.id }, child);
  const association = new aws.ec2.RouteTableAssociation(
    `${name}-routes${generationSuffix(plan.generation)}`,
    { subnetId: subnet.id, routeTableId: table.id },
    child,
  );
  const routes = egressRoutes(name, plan, args, { vpc, table, gateway, subnet, parent });
  const albSubnetIds = albSubnets(name, plan, args, { vpc, gateway, parent });
  return { vpcId: vpc.id, subnetId: subnet.id, albSubnetIds, routes: [association, ...routes] };
}

interface VpcResources {
  readonly vpc: aws.ec2.Vpc;
  readonly table: aws.ec2.RouteTable;
  readonly gateway: aws.ec2.InternetGateway | null;
  readonly subnet: aws.ec2.Subnet;
  readonly parent: pulumi.Resource;
}

/** The routes to everything else: endpoints alone, the internet gateway, or a NAT gateway before it. */
function egressRoutes(
  name: string,
  plan: OwnNetworkPlan,
  args: AwsNetworkArgs,
  vpcResources: VpcResources,
): pulumi.Resource[] {
  const { vpc, table, gateway, subnet, parent } = vpcResources;
  if (gateway === null) {
    return createEndpoints(name, {
      plan,
      region: args.region,
      vpcId: vpc.id,
      subnetId: subnet.id,
      routeTableId: table.id,
      parent,
    });
  }
  const everywhere = { routeTableId: table.id, destinationCidrBlock: "0.0.0.0/0" };
  if (plan.natCidr === null) {
    return [new aws.ec2.Route(`${name}-out`, { ...everywhere, gatewayId: gateway.id }, { parent })];
  }
  const nat = createNatGateway(name, plan.natCidr, args.zone, { vpc, gateway, parent });
  return [new aws.ec2.Route(`${name}-out`, { ...everywhere, natGatewayId: nat.id }, { parent })];
}

/** One in the host's zone, without which the balancer reaches no host there, and one in another. */
function albSubnets(
  name: string,
  plan: OwnNetworkPlan,
  args: AwsNetworkArgs,
  parts: { vpc: aws.ec2.Vpc; gateway: aws.ec2.InternetGateway | null; parent: pulumi.Resource },
): pulumi.Output<string>[] {
  const other = pulumi.all([args.zone, args.zones]).apply(([zone, zones]) => zones.find((one) => one !== zone) ?? "");
  return plan.albCidrs.map((cidr, index) => {
    const zone = index === 0 ? args.zone : other;
    return createPublicSubnet(`${name}-alb-${index + 1}${generationSuffix(plan.generation)}`, cidr, zone, parts).id;
  });
}
