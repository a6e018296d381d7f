import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import type { OwnNetworkPlan } from "../../plan/aws/network.ts";
import { createFlowLogs } from "./flow-logs.ts";

/** A VPC in which nothing is open yet, with its flow logs where the plan has some. */
export function createClosedVpc(name: string, plan: OwnNetworkPlan, parent: pulumi.Resource): aws.ec2.Vpc {
  const vpc = new aws.ec2.Vpc(
    `${name}-vpc`,
    // Private DNS of endpoints needs both.
    { cidrBlock: plan.vpcCidr, enableDnsSupport: true, enableDnsHostnames: true, tags: { Name: name } },
    { parent },
  );
  // Every VPC has this group, which lets its members talk to each other. Nothing is in it: it is closed.
  new aws.ec2.DefaultSecurityGroup(`${name}-default`, { vpcId: vpc.id, ingress: [], egress: [] }, { parent });
  createFlowLogs(name, { plan, vpcId: vpc.id, parent });
  return vpc;
}
