import { INTERFACES } from "./network.ts";
import type { PermissionTable } from "./table.ts";

/** The load balancer in front of a host. */
export const BALANCER: PermissionTable = {
  "aws:lb/loadBalancer:LoadBalancer": {
    read: {
      anyResource: [
        "elasticloadbalancing:DescribeCapacityReservation",
        "elasticloadbalancing:DescribeLoadBalancerAttributes",
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeTags",
      ],
    },
    write: {
      balancers: [
        "elasticloadbalancing:AddTags",
        "elasticloadbalancing:CreateLoadBalancer",
        "elasticloadbalancing:DeleteLoadBalancer",
        "elasticloadbalancing:ModifyLoadBalancerAttributes",
        "elasticloadbalancing:RemoveTags",
        "elasticloadbalancing:SetSecurityGroups",
        "elasticloadbalancing:SetSubnets",
      ],
      anyResource: [
        ...INTERFACES,
        "ec2:DescribeAccountAttributes",
        "ec2:DescribeAddresses",
        "ec2:DescribeInternetGateways",
      ],
      serviceRoles: ["iam:CreateServiceLinkedRole"],
    },
  },
  "aws:lb/targetGroup:TargetGroup": {
    read: {
      anyResource: [
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:DescribeTargetGroupAttributes",
        "elasticloadbalancing:DescribeTargetGroups",
      ],
    },
    write: {
      balancers: [
        "elasticloadbalancing:AddTags",
        "elasticloadbalancing:CreateTargetGroup",
        "elasticloadbalancing:DeleteTargetGroup",
        "elasticloadbalancing:ModifyTargetGroup",
        "elasticloadbalancing:ModifyTargetGroupAttributes",
        "elasticloadbalancing:RemoveTags",
      ],
    },
  },
  "aws:lb/targetGroupAttachment:TargetGroupAttachment": {
    read: { anyResource: ["elasticloadbalancing:DescribeTargetHealth"] },
    write: { balancers: ["elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:RegisterTargets"] },
  },
  "aws:lb/listener:Listener": {
    read: {
      anyResource: [
        "elasticloadbalancing:DescribeListenerAttributes",
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeTags",
      ],
    },
    write: {
      balancers: [
        "elasticloadbalancing:AddTags",
        "elasticloadbalancing:CreateListener",
        "elasticloadbalancing:DeleteListener",
        "elasticloadbalancing:ModifyListener",
        "elasticloadbalancing:ModifyListenerAttributes",
        "elasticloadbalancing:RemoveTags",
      ],
    },
  },
};
