import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";

/** What reaches the internet for hosts that have no address of their own. */
export function createNatGateway(
  name: string,
  cidr: string,
  zone: pulumi.Input<string>,
  { vpc, gateway, parent }: { vpc: aws.ec2.Vpc; gateway: aws.ec2.InternetGateway; parent: pulumi.Resource },
): aws.ec2.NatGateway {
  const subnet = createPublicSubnet(`${name}-nat`, cidr, zone, { vpc, gateway, parent });
  const address = new aws.ec2.Eip(`${name}-nat`, { domain: "vpc" }, { parent, dependsOn: [gateway] });
  return new aws.ec2.NatGateway(
    `${name}-nat`,
    { subnetId: subnet.id, allocationId: address.id },
    { parent, dependsOn: [gateway] },
  );
}

/** A subnet with its own route table, which has a default route when there is a gateway. */
export function createPublicSubnet(
  name: string,
  cidrBlock: string,
  availabilityZone: pulumi.Input<string>,
  { vpc, gateway, parent }: { vpc: aws.ec2.Vpc; gateway: aws.ec2.InternetGateway | null; parent: pulumi.Resource },
): aws.ec2.Subnet {
  const subnet = new aws.ec2.Subnet(
    name,
    { vpcId: vpc.id, cidrBlock, availabilityZone, tags: { Name: name } },
    // Which zones a region lists first may change; a subnet in use can't follow.
    { parent, ignoreChanges: ["availabilityZone"] },
  );
  const table = new aws.ec2.RouteTable(name, { vpcId: vpc.id }, { parent });
  new aws.ec2.RouteTableAssociation(name, { subnetId: subnet.id, routeTableId: table.id }, { parent });
  if (gateway !== null) {
    const route = { routeTableId: table.id, destinationCidrBlock: "0.0.0.0/0", gatewayId: gateway.id };
    new aws.ec2.Route(name, route, { parent });
  }
  return subnet;
}
