import type { PermissionTable } from "./table.ts";

/** A policy over a queue, or over its redrives, is an attribute of the queue. */
const QUEUE_ATTRIBUTE = {
  read: { queues: ["sqs:GetQueueAttributes"] },
  write: { queues: ["sqs:SetQueueAttributes"] },
};

/** What a fleet has besides: what starts and ends its hosts, its queues, and its gateway on ECS. */
export const FLEET: PermissionTable = {
  "aws:autoscaling/policy:Policy": {
    read: { anyResource: ["autoscaling:DescribePolicies"] },
    write: {
      groups: ["autoscaling:DeletePolicy", "autoscaling:PutScalingPolicy"],
    },
  },
  "aws:sqs/queue:Queue": {
    read: { queues: ["sqs:GetQueueAttributes", "sqs:ListQueueTags"] },
    write: {
      queues: ["sqs:CreateQueue", "sqs:DeleteQueue", "sqs:SetQueueAttributes", "sqs:TagQueue", "sqs:UntagQueue"],
    },
  },
  "aws:sqs/queuePolicy:QueuePolicy": QUEUE_ATTRIBUTE,
  "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": QUEUE_ATTRIBUTE,
  "aws:ecs/cluster:Cluster": {
    read: { clusters: ["ecs:DescribeClusters"] },
    write: {
      clusters: ["ecs:CreateCluster", "ecs:DeleteCluster", "ecs:TagResource", "ecs:UntagResource", "ecs:UpdateCluster"],
      serviceRoles: ["iam:CreateServiceLinkedRole"],
    },
  },
  "aws:ecs/taskDefinition:TaskDefinition": {
    read: { anyResource: ["ecs:DescribeTaskDefinition"] },
    write: {
      taskDefinitions: ["ecs:RegisterTaskDefinition", "ecs:TagResource", "ecs:UntagResource"],
      anyResource: ["ecs:DeregisterTaskDefinition"],
      passedRoles: ["iam:PassRole"],
    },
  },
  "aws:ecs/service:Service": {
    read: { services: ["ecs:DescribeServices"] },
    write: {
      services: [
        "ecs:CreateService",
        "ecs:DeleteService",
        // An update waits until its deployment has ended.
        "ecs:DescribeServiceDeployments",
        "ecs:ListServiceDeployments",
        "ecs:TagResource",
        "ecs:UntagResource",
        "ecs:UpdateService",
      ],
    },
  },
};
