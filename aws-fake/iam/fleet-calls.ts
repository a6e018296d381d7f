import { type Props, text } from "../kind.ts";
import { type CallsByVerb, call, calls } from "./call.ts";
import type { Place } from "./named-calls.ts";

/** What a fleet has besides: queues, policies of groups, and ECS. */
export const FLEET: Readonly<Record<string, (place: Place, props: Props) => CallsByVerb>> = {
  "aws:autoscaling/policy:Policy": ({ arn }, { autoscalingGroupName }) => {
    const on = arn("autoscaling", `autoScalingGroup:0a1b:autoScalingGroupName/${text(autoscalingGroupName)}`);
    const put = calls(on, "autoscaling:PutScalingPolicy");
    return {
      create: put,
      read: [call("autoscaling:DescribePolicies", "*")],
      update: put,
      delete: calls(on, "autoscaling:DeletePolicy"),
    };
  },
  "aws:sqs/queue:Queue": ({ arn }, { name }) => {
    const on = arn("sqs", text(name));
    return {
      create: calls(on, "sqs:CreateQueue", "sqs:TagQueue", "sqs:GetQueueAttributes"),
      read: calls(on, "sqs:GetQueueAttributes", "sqs:ListQueueTags"),
      update: calls(on, "sqs:SetQueueAttributes", "sqs:GetQueueAttributes"),
      delete: calls(on, "sqs:DeleteQueue", "sqs:GetQueueAttributes"),
    };
  },
  "aws:sqs/queuePolicy:QueuePolicy": queueAttribute,
  "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": queueAttribute,
  "aws:ecs/cluster:Cluster": ({ arn }, { name }) => {
    const on = arn("ecs", `cluster/${text(name)}`);
    const read = calls(on, "ecs:DescribeClusters");
    return {
      create: [...calls(on, "ecs:CreateCluster", "ecs:TagResource"), ...read],
      read,
      update: [...calls(on, "ecs:UpdateCluster"), ...read],
      delete: [...calls(on, "ecs:DeleteCluster"), ...read],
    };
  },
  "aws:ecs/taskDefinition:TaskDefinition": ({ arn }, { family, taskRoleArn, executionRoleArn }) => {
    // AWS numbers the version while it makes it.
    const on = arn("ecs", `task-definition/${text(family)}:*`);
    const passed = [taskRoleArn, executionRoleArn].map((role) =>
      call("iam:PassRole", text(role), { "iam:PassedToService": "ecs-tasks.amazonaws.com" }),
    );
    return {
      create: [...calls(on, "ecs:RegisterTaskDefinition", "ecs:TagResource"), ...passed],
      read: [call("ecs:DescribeTaskDefinition", "*")],
      update: calls(on, "ecs:TagResource"),
      delete: [call("ecs:DeregisterTaskDefinition", "*")],
    };
  },
  "aws:ecs/service:Service": ({ arn }, { cluster, name }) => {
    const path = `${text(cluster).split("/").at(-1)}/${text(name)}`;
    const on = arn("ecs", `service/${path}`);
    const read = calls(on, "ecs:DescribeServices");
    const deployed = [
      ...calls(on, "ecs:ListServiceDeployments", "ecs:DescribeServiceDeployments"),
      call("ecs:DescribeServiceDeployments", arn("ecs", `service-deployment/${path}/0a1b`)),
    ];
    return {
      create: [...calls(on, "ecs:CreateService", "ecs:TagResource"), ...read, ...deployed],
      read,
      update: [...calls(on, "ecs:UpdateService"), ...read, ...deployed],
      // It has no task before it is deleted.
      delete: [...read, ...calls(on, "ecs:UpdateService", "ecs:DeleteService")],
    };
  },
};

/** A policy over a queue, or over its redrives. */
function queueAttribute({ arn }: Place, { queueUrl }: Props): CallsByVerb {
  const on = arn("sqs", text(queueUrl).split("/").at(-1) ?? "");
  const put = calls(on, "sqs:SetQueueAttributes", "sqs:GetQueueAttributes");
  return { create: put, read: calls(on, "sqs:GetQueueAttributes"), update: put, delete: put };
}
