import { expect, test } from "vitest";
import { SnapshotSchedule } from "../../infra/aws/volume/snapshot-schedule.ts";
import { runAws, runStack } from "../support/aws-program.ts";
import { awsPlanWith } from "../support/aws-settings.ts";
import { theOnly } from "../support/program.ts";

test("every night the data volume of this stack alone, by a role that can touch no other", async () => {
  const plan = awsPlanWith({ snapshots: "daily", snapshotRetentionDays: "5" }, "eu-west-1").snapshots;
  if (!plan) throw new Error("none planned");
  const { resources } = await runAws(() => new SnapshotSchedule("image-gen", { plan, volumeId: "vol-1" }));
  expect(resources.map(({ type, name }) => [type, name])).toEqual([
    ["imagegen:cache:SnapshotSchedule", "image-gen"],
    ["aws:iam/role:Role", "image-gen-snapshots"],
    ["aws:iam/rolePolicy:RolePolicy", "image-gen-snapshots"],
    ["aws:dlm/lifecyclePolicy:LifecyclePolicy", "image-gen-snapshots"],
  ]);
  expect(theOnly(resources, "aws:dlm/lifecyclePolicy:LifecyclePolicy").inputs).toMatchObject({
    state: "ENABLED",
    policyDetails: {
      resourceTypes: ["VOLUME"],
      targetTags: { "imagegen:volume": "prod" },
      schedules: [
        {
          name: "daily",
          createRule: { interval: 24, intervalUnit: "HOURS", times: "03:00" },
          retainRule: { count: 5 },
          copyTags: true,
        },
      ],
    },
  });
  const { policy } = theOnly(resources, "aws:iam/rolePolicy:RolePolicy").inputs as { policy: string };
  const { Statement } = JSON.parse(policy) as {
    Statement: { Action: string[]; Resource: string; Condition?: unknown }[];
  };
  const own = { StringEquals: { "aws:ResourceTag/imagegen:volume": "prod" } };
  expect(Statement.map(({ Action, Resource, Condition }) => [Action, Resource, Condition])).toEqual([
    [["ec2:CreateSnapshot"], "arn:aws:ec2:eu-west-1:*:volume/*", own],
    [["ec2:CreateSnapshot"], "arn:aws:ec2:eu-west-1::snapshot/*", undefined],
    [
      ["ec2:CreateTags"],
      "arn:aws:ec2:eu-west-1::snapshot/*",
      { StringEquals: { "ec2:CreateAction": "CreateSnapshot" } },
    ],
    [["ec2:DeleteSnapshot"], "arn:aws:ec2:eu-west-1::snapshot/*", own],
    [["ec2:DescribeVolumes", "ec2:DescribeSnapshots"], "*", undefined],
  ]);
});

test("by default there is none", () => expect(awsPlanWith().snapshots).toBeNull());

test("a failed snapshot is reported to the topic, for this volume and this policy", async () => {
  const alarmTopicArn = "arn:aws:sns:us-east-1:123456789012:alarms";
  const { resources } = await runStack(awsPlanWith({ snapshots: "daily", alarmTopicArn }));
  const { eventPattern } = theOnly(resources, "aws:cloudwatch/eventRule:EventRule").inputs as { eventPattern: string };
  expect((JSON.parse(eventPattern) as { detail: unknown }).detail).toEqual({
    $or: [
      { result: ["failed"], source: [{ suffix: "volume/image-gen-data-id" }] },
      { state: ["ERROR"], policy_id: ["arn:policy"] },
    ],
  });
  expect(theOnly(resources, "aws:cloudwatch/eventTarget:EventTarget").inputs).toEqual({
    rule: "rule",
    arn: alarmTopicArn,
  });
});
