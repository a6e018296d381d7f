import type { PermissionTable } from "./table.ts";

/** What the provider looks at when it deletes a subnet or a group: interfaces that are still there. */
export const INTERFACES = ["ec2:DescribeNetworkInterfaces"];
const TAGS = ["ec2:CreateTags", "ec2:DeleteTags"];
const RULES = { read: { anyResource: ["ec2:DescribeSecurityGroupRules"] } };

/** The VPC of a stack. */
export const NETWORK: PermissionTable = {
  "aws:ec2/vpc:Vpc": {
    read: {
      anyResource: [
        "ec2:DescribeNetworkAcls",
        "ec2:DescribeRouteTables",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeVpcs",
      ],
      ec2Own: ["ec2:DescribeVpcAttribute"],
    },
    write: {
      ec2New: ["ec2:CreateVpc"],
      ec2TagsOfNew: ["ec2:CreateTags"],
      ec2Own: [...TAGS, "ec2:DeleteVpc", "ec2:ModifyVpcAttribute"],
    },
  },
  "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": {
    read: { anyResource: ["ec2:DescribeSecurityGroupRules", "ec2:DescribeSecurityGroups"] },
    write: {
      ec2DefaultGroup: ["ec2:CreateTags"],
      ec2Own: [
        ...TAGS,
        "ec2:AuthorizeSecurityGroupEgress",
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:RevokeSecurityGroupEgress",
        "ec2:RevokeSecurityGroupIngress",
      ],
    },
  },
  "aws:ec2/flowLog:FlowLog": {
    read: { anyResource: ["ec2:DescribeFlowLogs"] },
    write: {
      ec2New: ["ec2:CreateFlowLogs"],
      ec2TagsOfNew: ["ec2:CreateTags"],
      ec2Own: [...TAGS, "ec2:CreateFlowLogs", "ec2:DeleteFlowLogs"],
      passedRoles: ["iam:PassRole"],
    },
  },
  "aws:ec2/internetGateway:InternetGateway": {
    read: { anyResource: ["ec2:DescribeInternetGateways"] },
    write: {
      ec2New: ["ec2:CreateInternetGateway"],
      ec2TagsOfNew: ["ec2:CreateTags"],
      ec2Own: [...TAGS, "ec2:AttachInternetGateway", "ec2:DeleteInternetGateway", "ec2:DetachInternetGateway"],
    },
  },
  "aws:ec2/subnet:Subnet": {
    read: { anyResource: ["ec2:DescribeSubnets"] },
    write: {
      ec2New: ["ec2:CreateSubnet"],
      ec2TagsOfNew: ["ec2:CreateTags"],
      ec2Own: [...TAGS, "ec2:CreateSubnet", "ec2:DeleteSubnet", "ec2:ModifySubnetAttribute"],
      anyResource: INTERFACES,
    },
  },
  "aws:ec2/eip:Eip": {
    read: { anyResource: ["ec2:DescribeAddresses", "ec2:DescribeAddressesAttribute"] },
    write: {
      ec2New: ["ec2:AllocateAddress"],
      ec2TagsOfNew: ["ec2:CreateTags"],
      ec2Own: [...TAGS, "ec2:DisassociateAddress", "ec2:ReleaseAddress"],
    },
  },
  "aws:ec2/natGateway:NatGateway": {
    read: { anyResource: ["ec2:DescribeNatGateways"] },
    write: {
      ec2New: ["ec2:CreateNatGateway"],
      ec2TagsOfNew: ["ec2:CreateTags"],
      ec2Own: [...TAGS, "ec2:CreateNatGateway", "ec2:DeleteNatGateway"],
    },
  },
  "aws:ec2/routeTable:RouteTable": {
    read: { anyResource: ["ec2:DescribeRouteTables"] },
    write: {
      ec2New: ["ec2:CreateRouteTable"],
      ec2TagsOfNew: ["ec2:CreateTags"],
      ec2Own: [...TAGS, "ec2:CreateRouteTable", "ec2:DeleteRouteTable", "ec2:DisassociateRouteTable"],
    },
  },
  "aws:ec2/route:Route": {
    read: { anyResource: ["ec2:DescribeRouteTables"] },
    write: { ec2Own: ["ec2:CreateRoute", "ec2:DeleteRoute", "ec2:ReplaceRoute"] },
  },
  "aws:ec2/routeTableAssociation:RouteTableAssociation": {
    read: { anyResource: ["ec2:DescribeRouteTables"] },
    write: {
      ec2Own: ["ec2:AssociateRouteTable", "ec2:DisassociateRouteTable", "ec2:ReplaceRouteTableAssociation"],
    },
  },
  "aws:ec2/securityGroup:SecurityGroup": {
    read: { anyResource: ["ec2:DescribeSecurityGroupRules", "ec2:DescribeSecurityGroups"] },
    write: {
      ec2New: ["ec2:CreateSecurityGroup"],
      ec2TagsOfNew: ["ec2:CreateTags"],
      // In a VPC of the account, too.
      ec2Vpcs: ["ec2:CreateSecurityGroup"],
      // A new group lets everything out until the provider takes that away.
      ec2Own: [...TAGS, "ec2:DeleteSecurityGroup", "ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"],
      anyResource: INTERFACES,
    },
  },
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": {
    ...RULES,
    write: {
      ec2TagsOfNew: ["ec2:CreateTags"],
      ec2New: ["ec2:AuthorizeSecurityGroupIngress"],
      ec2Own: [
        ...TAGS,
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:ModifySecurityGroupRules",
        "ec2:RevokeSecurityGroupIngress",
      ],
    },
  },
  "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": {
    ...RULES,
    write: {
      ec2TagsOfNew: ["ec2:CreateTags"],
      ec2New: ["ec2:AuthorizeSecurityGroupEgress"],
      ec2Own: [
        ...TAGS,
        "ec2:AuthorizeSecurityGroupEgress",
        "ec2:ModifySecurityGroupRules",
        "ec2:RevokeSecurityGroupEgress",
      ],
    },
  },
  "aws:ec2/vpcEndpoint:VpcEndpoint": {
    read: { anyResource: ["ec2:DescribePrefixLists", "ec2:DescribeVpcEndpoints"] },
    write: {
      ec2New: ["ec2:CreateVpcEndpoint"],
      ec2TagsOfNew: ["ec2:CreateTags"],
      ec2Own: [...TAGS, "ec2:CreateVpcEndpoint", "ec2:DeleteVpcEndpoints", "ec2:ModifyVpcEndpoint"],
    },
  },
};
