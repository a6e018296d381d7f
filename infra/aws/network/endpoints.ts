import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import type { OwnNetworkPlan } from "../../plan/aws/network.ts";
import { policyDocument } from "../iam.ts";

export interface EndpointsArgs {
  readonly plan: OwnNetworkPlan;
  readonly region: string;
  readonly vpcId: pulumi.Input<string>;
  readonly subnetId: pulumi.Input<string>;
  readonly routeTableId: pulumi.Input<string>;
  readonly parent: pulumi.Resource;
}

/** AWS's services inside the VPC: a gateway for S3, which is free, and an interface for each of the others. */
export function createEndpoints(name: string, args: EndpointsArgs): pulumi.Resource[] {
  const { plan, region, vpcId, subnetId, routeTableId, parent } = args;
  const group = new aws.ec2.SecurityGroup(
    `${name}-endpoints`,
    { vpcId, description: "AWS services, from inside the VPC" },
    { parent },
  );
  new aws.vpc.SecurityGroupIngressRule(
    `${name}-endpoints`,
    {
      securityGroupId: group.id,
      description: "the VPC itself",
      cidrIpv4: plan.vpcCidr,
      ipProtocol: "tcp",
      fromPort: 443,
      toPort: 443,
    },
    { parent },
  );
  const s3 = new aws.ec2.VpcEndpoint(
    `${name}-s3`,
    {
      vpcId,
      serviceName: `com.amazonaws.${region}.s3`,
      vpcEndpointType: "Gateway",
      routeTableIds: [routeTableId],
      policy: policyDocument([
        { Effect: "Allow", Principal: "*", Action: ["s3:GetObject", "s3:ListBucket"], Resource: plan.s3Resources },
      ]),
    },
    { parent },
  );
  const interfaces = plan.interfaceEndpoints.map(
    (service) =>
      new aws.ec2.VpcEndpoint(
        `${name}-${service.replace(".", "-")}`,
        {
          vpcId,
          serviceName: `com.amazonaws.${region}.${service}`,
          vpcEndpointType: "Interface",
          privateDnsEnabled: true,
          subnetIds: [subnetId],
          securityGroupIds: [group.id],
        },
        { parent },
      ),
  );
  return [s3, ...interfaces];
}
