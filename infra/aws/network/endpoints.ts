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
  /** What S3 is asked for besides reading `plan.s3Resources`; absent: nothing. */
  readonly s3Statements?: pulumi.Output<readonly object[]>;
  readonly parent: pulumi.Resource;
}

/** AWS's services inside the VPC: a gateway for S3, which is free, and an interface for each of the others. */
export function createEndpoints(name: string, args: EndpointsArgs): pulumi.Resource[] {
  const { plan, region, vpcId, subnetId, routeTableId, s3Statements, parent } = args;
  const reads = {
    Effect: "Allow",
    Principal: "*",
    Action: ["s3:GetObject", "s3:ListBucket"],
    Resource: plan.s3Resources,
  };
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
      policy: s3Statements ? s3Statements.apply((more) => policyDocument([reads, ...more])) : policyDocument([reads]),
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
