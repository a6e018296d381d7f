import type { PermissionTable } from "./table.ts";

/** The host and its disks, and what starts hosts. */
export const HOST: PermissionTable = {
  "aws:ebs/volume:Volume": {
    read: { anyResource: ["ec2:DescribeVolumes"] },
    write: {
      ec2New: ["ec2:CreateVolume"],
      ec2TagsOfNew: ["ec2:CreateTags"],
      // The last snapshot of a volume.
      ec2NewSnapshot: ["ec2:CreateSnapshot"],
      // Volumes are made from the project's snapshots alone.
      ec2Own: [
        "ec2:CreateSnapshot",
        "ec2:CreateTags",
        "ec2:CreateVolume",
        "ec2:DeleteTags",
        "ec2:DeleteVolume",
        "ec2:ModifyVolume",
      ],
      anyResource: ["ec2:DescribeSnapshots"],
    },
  },
  "aws:ec2/tag:Tag": {
    read: { anyResource: ["ec2:DescribeTags"] },
    write: { ec2TagOfVolumes: ["ec2:CreateTags", "ec2:DeleteTags"] },
  },
  "aws:ec2/volumeAttachment:VolumeAttachment": {
    read: { anyResource: ["ec2:DescribeInstances", "ec2:DescribeVolumes"] },
    write: {
      ec2Own: ["ec2:AttachVolume", "ec2:DetachVolume", "ec2:StopInstances"],
      ec2AdoptedVolumes: ["ec2:AttachVolume", "ec2:DetachVolume"],
    },
  },
  "aws:ec2/instance:Instance": {
    read: {
      anyResource: [
        "ec2:DescribeIamInstanceProfileAssociations",
        "ec2:DescribeInstanceCreditSpecifications",
        "ec2:DescribeInstanceTypes",
        "ec2:DescribeInstances",
        "ec2:DescribeSpotInstanceRequests",
        "ec2:DescribeTags",
        "ec2:DescribeVolumes",
        "ec2:DescribeVpcs",
      ],
      ec2Own: ["ec2:DescribeInstanceAttribute"],
    },
    write: {
      ec2New: ["ec2:RunInstances"],
      ec2TagsOfNew: ["ec2:CreateTags"],
      ec2Launch: ["ec2:RunInstances"],
      ec2SpotRequests: ["ec2:CancelSpotInstanceRequests"],
      ec2Own: [
        "ec2:AssociateIamInstanceProfile",
        "ec2:CreateTags",
        "ec2:DeleteTags",
        "ec2:DisassociateIamInstanceProfile",
        "ec2:ModifyInstanceAttribute",
        "ec2:ModifyInstanceMetadataOptions",
        "ec2:ModifyVolume",
        "ec2:ReplaceIamInstanceProfileAssociation",
        "ec2:StartInstances",
        "ec2:StopInstances",
        "ec2:TerminateInstances",
      ],
      anyResource: ["ec2:DescribeImages", "ec2:DescribeVolumesModifications"],
      passedRoles: ["iam:PassRole"],
      serviceRoles: ["iam:CreateServiceLinkedRole"],
    },
  },
  "aws:ec2/launchTemplate:LaunchTemplate": {
    read: { anyResource: ["ec2:DescribeLaunchTemplateVersions", "ec2:DescribeLaunchTemplates"] },
    write: {
      ec2New: ["ec2:CreateLaunchTemplate"],
      ec2TagsOfNew: ["ec2:CreateTags"],
      ec2Own: [
        "ec2:CreateLaunchTemplateVersion",
        "ec2:CreateTags",
        "ec2:DeleteLaunchTemplate",
        "ec2:DeleteTags",
        "ec2:ModifyLaunchTemplate",
      ],
    },
  },
  "aws:autoscaling/group:Group": {
    read: {
      anyResource: [
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeInstanceRefreshes",
        "autoscaling:DescribeLoadBalancerTargetGroups",
        "autoscaling:DescribeLoadBalancers",
        "autoscaling:DescribeScalingActivities",
        "autoscaling:DescribeTrafficSources",
        "autoscaling:DescribeWarmPool",
      ],
    },
    write: {
      groups: [
        "autoscaling:AttachLoadBalancerTargetGroups",
        "autoscaling:AttachTrafficSources",
        "autoscaling:CancelInstanceRefresh",
        "autoscaling:CreateAutoScalingGroup",
        "autoscaling:CreateOrUpdateTags",
        "autoscaling:DeleteAutoScalingGroup",
        "autoscaling:DeleteTags",
        "autoscaling:DetachLoadBalancerTargetGroups",
        "autoscaling:DetachTrafficSources",
        // Those of a fleet, which have metrics and no balance between zones.
        "autoscaling:DisableMetricsCollection",
        "autoscaling:EnableMetricsCollection",
        "autoscaling:ResumeProcesses",
        "autoscaling:SetInstanceProtection",
        "autoscaling:StartInstanceRefresh",
        "autoscaling:SuspendProcesses",
        "autoscaling:UpdateAutoScalingGroup",
      ],
      // A new group is waited for until its hosts are healthy in the target group.
      anyResource: ["elasticloadbalancing:DescribeTargetHealth"],
      // AWS checks that whoever makes a group with a launch template may start such hosts.
      ec2New: ["ec2:RunInstances"],
      ec2TagsOfNew: ["ec2:CreateTags"],
      ec2Launch: ["ec2:RunInstances"],
      ec2Own: ["ec2:RunInstances"],
      passedRoles: ["iam:PassRole"],
      serviceRoles: ["iam:CreateServiceLinkedRole"],
    },
  },
};
