import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import type { OwnNetworkPlan } from "../../plan/aws/network.ts";
import { boundaryOf, policyDocument, trustPolicy } from "../iam.ts";

export interface FlowLogsArgs {
  readonly plan: OwnNetworkPlan;
  readonly vpcId: pulumi.Input<string>;
  readonly parent: pulumi.Resource;
}

/** Which connections there were in the VPC, and which were refused: what is asked for after an incident. */
export function createFlowLogs(name: string, { plan, vpcId, parent }: FlowLogsArgs): void {
  const logs = new aws.cloudwatch.LogGroup(
    `${name}-flow-logs`,
    { name: plan.flowLogGroup, retentionInDays: plan.logRetentionDays },
    { parent },
  );
  const role = new aws.iam.Role(
    `${name}-flow-logs`,
    { assumeRolePolicy: trustPolicy({ Service: "vpc-flow-logs.amazonaws.com" }), ...boundaryOf(plan) },
    { parent },
  );
  const permissions = new aws.iam.RolePolicy(
    `${name}-flow-logs`,
    { role: role.id, policy: logs.arn.apply((arn) => policyDocument(statements(arn))) },
    { parent },
  );
  new aws.ec2.FlowLog(
    `${name}-flow-logs`,
    {
      vpcId,
      trafficType: "ALL",
      logDestinationType: "cloud-watch-logs",
      logDestination: logs.arn,
      iamRoleArn: role.arn,
      // Ten minutes in place of one: a tenth of the lines, and of their price.
      maxAggregationInterval: 600,
    },
    { parent, dependsOn: [permissions] },
  );
}

const statements = (logGroupArn: string) => [
  {
    Sid: "Write",
    Effect: "Allow",
    Action: ["logs:CreateLogStream", "logs:DescribeLogGroups", "logs:DescribeLogStreams", "logs:PutLogEvents"],
    Resource: [logGroupArn, `${logGroupArn}:*`],
  },
];
