import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { volumeTag } from "../../contract.ts";
import { awsPartition } from "../../plan/aws/arn.ts";
import type { SnapshotPlan } from "../../plan/aws/volume.ts";
import { boundaryOf, policyDocument, trustPolicy } from "../iam.ts";

export interface SnapshotScheduleArgs {
  readonly plan: SnapshotPlan;
  readonly volumeId: pulumi.Input<string>;
}

/** A snapshot of the data volume each night, by Amazon's lifecycle manager. The volume is found by its tag. */
export class SnapshotSchedule extends pulumi.ComponentResource {
  readonly policyArn: pulumi.Output<string>;

  constructor(name: string, { plan, volumeId }: SnapshotScheduleArgs, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:cache:SnapshotSchedule", name, {}, opts);
    const { stack, region, keep } = plan;

    const role = new aws.iam.Role(
      `${name}-snapshots`,
      { assumeRolePolicy: trustPolicy({ Service: "dlm.amazonaws.com" }), ...boundaryOf(plan) },
      { parent: this },
    );
    const permissions = new aws.iam.RolePolicy(
      `${name}-snapshots`,
      { role: role.id, policy: policyDocument(statements(stack, region)) },
      { parent: this },
    );
    const policy = new aws.dlm.LifecyclePolicy(
      `${name}-snapshots`,
      {
        // It takes no dot, which a stack's name may have.
        description: `image-gen data of ${stack.replaceAll(".", "-")}`,
        executionRoleArn: role.arn,
        state: "ENABLED",
        policyDetails: {
          resourceTypes: ["VOLUME"],
          targetTags: volumeTag(stack),
          schedules: [
            {
              name: "daily",
              createRule: { interval: 24, intervalUnit: "HOURS", times: "03:00" },
              retainRule: { count: keep },
              copyTags: true,
            },
          ],
        },
      },
      { parent: this, dependsOn: [permissions] },
    );
    if (plan.alarmTopicArn !== null) notifyOfFailures(name, plan.alarmTopicArn, policy.arn, volumeId, this);

    this.policyArn = policy.arn;
    this.registerOutputs({ policyArn: this.policyArn });
  }
}

/** A snapshot that fails is an event, and no metric: an alarm of CloudWatch would never see it. */
function notifyOfFailures(
  name: string,
  topicArn: string,
  policyArn: pulumi.Input<string>,
  volumeId: pulumi.Input<string>,
  parent: pulumi.Resource,
): void {
  const eventPattern = pulumi.all([policyArn, volumeId]).apply(([policy, volume]) =>
    JSON.stringify({
      source: ["aws.ec2", "aws.dlm"],
      "detail-type": ["EBS Snapshot Notification", "DLM Policy State Change"],
      detail: {
        $or: [
          { result: ["failed"], source: [{ suffix: `volume/${volume}` }] },
          { state: ["ERROR"], policy_id: [policy] },
        ],
      },
    }),
  );
  const rule = new aws.cloudwatch.EventRule(`${name}-snapshot-failed`, { eventPattern }, { parent });
  new aws.cloudwatch.EventTarget(`${name}-snapshot-failed`, { rule: rule.name, arn: topicArn }, { parent });
}

/** Snapshots of this stack's volume alone, and only those are deleted again. */
function statements(stack: string, region: string) {
  const ec2 = `arn:${awsPartition(region)}:ec2:${region}`;
  return [
    {
      Effect: "Allow",
      Action: ["ec2:CreateSnapshot"],
      Resource: `${ec2}:*:volume/*`,
      Condition: { StringEquals: { "aws:ResourceTag/imagegen:volume": stack } },
    },
    { Effect: "Allow", Action: ["ec2:CreateSnapshot"], Resource: `${ec2}::snapshot/*` },
    {
      Effect: "Allow",
      Action: ["ec2:CreateTags"],
      Resource: `${ec2}::snapshot/*`,
      Condition: { StringEquals: { "ec2:CreateAction": "CreateSnapshot" } },
    },
    {
      Effect: "Allow",
      Action: ["ec2:DeleteSnapshot"],
      Resource: `${ec2}::snapshot/*`,
      Condition: { StringEquals: { "aws:ResourceTag/imagegen:volume": stack } },
    },
    { Effect: "Allow", Action: ["ec2:DescribeVolumes", "ec2:DescribeSnapshots"], Resource: "*" },
  ];
}
