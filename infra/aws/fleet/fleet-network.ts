import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { OwnNetworkPlan } from "../../plan/aws/network.ts";
import { type FleetNetworkPlan, zoneCidr, zoneLetter } from "../../plan/fleet/network.ts";
import { createEndpoints } from "../network/endpoints.ts";
import { createNatGateway } from "../network/public-subnet.ts";
import { createClosedVpc } from "../network/vpc.ts";

export interface FleetNetworkArgs {
  readonly plan: FleetNetworkPlan;
  readonly region: string;
  /** All zones of the region: a subnet costs nothing, and one that hosts are in can't be removed. */
  readonly zones: readonly string[];
  /** Those that offer a type of the list: hosts are started there alone. */
  readonly offered: readonly string[];
  readonly bucketArn: pulumi.Output<string>;
}

/** What the groups are put into. */
interface FleetNetworkResources {
  readonly vpcId: pulumi.Output<string>;
  readonly subnetIds: readonly pulumi.Input<string>[];
  /** Hosts start after these. */
  readonly routes: readonly pulumi.Resource[];
}

/** Existing subnets, or a small VPC with a subnet in every zone. No inbound access. */
export class FleetNetwork extends pulumi.ComponentResource implements FleetNetworkResources {
  readonly vpcId: pulumi.Output<string>;
  readonly subnetIds: readonly pulumi.Input<string>[];
  readonly routes: readonly pulumi.Resource[];

  constructor(name: string, args: FleetNetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:fleet:FleetNetwork", name, {}, opts);
    const { plan } = args;
    const made = plan.kind === "existing" ? lookupVpc(plan.subnetIds, this) : createFleetVpc(name, plan, args, this);
    this.vpcId = made.vpcId;
    this.subnetIds = made.subnetIds;
    this.routes = made.routes;
    this.registerOutputs({ vpcId: this.vpcId });
  }
}

function lookupVpc(subnetIds: readonly string[], parent: pulumi.Resource): FleetNetworkResources {
  const { vpcId } = aws.ec2.getSubnetOutput({ id: subnetIds[0] ?? "" }, { parent });
  return { vpcId, subnetIds, routes: [] };
}

function createFleetVpc(
  name: string,
  plan: OwnNetworkPlan,
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
  const routes = createRoutes(name, plan, args, { vpc, table, first, parent });
  return {
    vpcId: vpc.id,
    subnetIds: used.map(({ subnet }) => subnet.id),
    routes: [...used.map(({ association }) => association), ...routes],
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
): pulumi.Resource[] {
  if (plan.egress === "endpoints-only") {
    const s3Statements = bucketArn.apply((arn) => [bucketStatement(arn)]);
    const of = { region, vpcId: vpc.id, subnetId: first.subnet.id, routeTableId: table.id };
    return createEndpoints(name, { plan, ...of, s3Statements, parent });
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
  const gateway = new aws.ec2.InternetGateway(`${name}-internet`, { vpcId: vpc.id }, { parent });
  const everywhere = { routeTableId: table.id, destinationCidrBlock: "0.0.0.0/0" };
  if (plan.natCidr === null)
    return [s3, new aws.ec2.Route(`${name}-out`, { ...everywhere, gatewayId: gateway.id }, { parent })];
  const nat = createNatGateway(name, plan.natCidr, first.zone, { vpc, gateway, parent });
  return [s3, new aws.ec2.Route(`${name}-out`, { ...everywhere, natGatewayId: nat.id }, { parent })];
}

/** The job store through the endpoint; whose request may do what, the roles say. */
const bucketStatement = (bucketArn: string) => ({
  Effect: "Allow",
  Principal: "*",
  Action: ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"],
  Resource: [bucketArn, `${bucketArn}/*`],
});
