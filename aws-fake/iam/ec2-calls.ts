import type { Cloud } from "../cloud.ts";
import { type Props, text } from "../kind.ts";
import { type CallsByVerb, call, ownKeys, requestKeys, type TargetResource, type Verb } from "./call.ts";
import type { ApiCall } from "./evaluate.ts";

/** EC2's resources: the kind in the ARN, the calls, and the inputs that name others, which the call must be allowed on as well. */
export const EC2: Readonly<
  Record<string, readonly [kind: string, create: string, read: string, remove: string, others: readonly string[]]>
> = {
  "aws:ec2/vpc:Vpc": ["vpc", "CreateVpc", "DescribeVpcs", "DeleteVpc", []],
  "aws:ec2/subnet:Subnet": ["subnet", "CreateSubnet", "DescribeSubnets", "DeleteSubnet", ["vpcId"]],
  "aws:ec2/internetGateway:InternetGateway": [
    "internet-gateway",
    "CreateInternetGateway",
    "DescribeInternetGateways",
    "DeleteInternetGateway",
    [],
  ],
  "aws:ec2/eip:Eip": ["elastic-ip", "AllocateAddress", "DescribeAddresses", "ReleaseAddress", []],
  "aws:ec2/natGateway:NatGateway": [
    "natgateway",
    "CreateNatGateway",
    "DescribeNatGateways",
    "DeleteNatGateway",
    ["subnetId", "allocationId"],
  ],
  "aws:ec2/routeTable:RouteTable": [
    "route-table",
    "CreateRouteTable",
    "DescribeRouteTables",
    "DeleteRouteTable",
    ["vpcId"],
  ],
  "aws:ec2/securityGroup:SecurityGroup": [
    "security-group",
    "CreateSecurityGroup",
    "DescribeSecurityGroups",
    "DeleteSecurityGroup",
    ["vpcId"],
  ],
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": [
    "security-group-rule",
    "AuthorizeSecurityGroupIngress",
    "DescribeSecurityGroupRules",
    "RevokeSecurityGroupIngress",
    ["securityGroupId"],
  ],
  "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": [
    "security-group-rule",
    "AuthorizeSecurityGroupEgress",
    "DescribeSecurityGroupRules",
    "RevokeSecurityGroupEgress",
    ["securityGroupId"],
  ],
  "aws:ec2/flowLog:FlowLog": ["vpc-flow-log", "CreateFlowLogs", "DescribeFlowLogs", "DeleteFlowLogs", ["vpcId"]],
  "aws:ec2/vpcEndpoint:VpcEndpoint": [
    "vpc-endpoint",
    "CreateVpcEndpoint",
    "DescribeVpcEndpoints",
    "DeleteVpcEndpoints",
    ["vpcId", "subnetIds", "securityGroupIds", "routeTableIds"],
  ],
  "aws:ebs/volume:Volume": ["volume", "CreateVolume", "DescribeVolumes", "DeleteVolume", ["snapshotId"]],
  "aws:ec2/launchTemplate:LaunchTemplate": [
    "launch-template",
    "CreateLaunchTemplate",
    "DescribeLaunchTemplates",
    "DeleteLaunchTemplate",
    [],
  ],
  "aws:ec2/instance:Instance": [
    "instance",
    "RunInstances",
    "DescribeInstances",
    "TerminateInstances",
    ["subnetId", "vpcSecurityGroupIds", "ami"],
  ],
};

/** EC2's that are no resources of their own. */
export const EC2_RELATIONS: Readonly<Record<string, (cloud: Cloud, target: TargetResource) => CallsByVerb>> = {
  "aws:ec2/route:Route": (cloud, { props }) => {
    const on = (action: string) => onOther(cloud, action, text(props.routeTableId));
    return {
      create: [on("ec2:CreateRoute")],
      read: [call("ec2:DescribeRouteTables", "*")],
      update: [on("ec2:ReplaceRoute")],
      delete: [on("ec2:DeleteRoute")],
    };
  },
  "aws:ec2/routeTableAssociation:RouteTableAssociation": (cloud, { props }) => {
    const on = (action: string) => onOther(cloud, action, text(props.routeTableId));
    return {
      create: [on("ec2:AssociateRouteTable"), onOther(cloud, "ec2:AssociateRouteTable", text(props.subnetId))],
      read: [call("ec2:DescribeRouteTables", "*")],
      update: [on("ec2:ReplaceRouteTableAssociation")],
      delete: [on("ec2:DisassociateRouteTable")],
    };
  },
  "aws:ec2/volumeAttachment:VolumeAttachment": (cloud, { props }) => {
    const on = (action: string) =>
      [text(props.volumeId), text(props.instanceId)].map((id) => onOther(cloud, action, id));
    return {
      create: on("ec2:AttachVolume"),
      read: [call("ec2:DescribeVolumes", "*")],
      update: [],
      delete: on("ec2:DetachVolume"),
    };
  },
  "aws:ec2/tag:Tag": (cloud, { props }) => {
    const { resource, keys } = onOther(cloud, "ec2:CreateTags", text(props.resourceId));
    const tag = { ...keys, "aws:TagKeys": [text(props.key)], [`aws:RequestTag/${text(props.key)}`]: text(props.value) };
    return {
      create: [{ action: "ec2:CreateTags", resource, keys: tag }],
      read: [call("ec2:DescribeTags", "*")],
      update: [{ action: "ec2:CreateTags", resource, keys: tag }],
      delete: [{ action: "ec2:DeleteTags", resource, keys: tag }],
    };
  },
  // A new VPC's own group: it has no tags until it is claimed.
  "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": (cloud, { props }) => {
    const on = `arn:aws:ec2:${cloud.region}:${cloud.account}:security-group/sg-default`;
    const claimed = call("ec2:RevokeSecurityGroupIngress", on, ownKeys(props.tags));
    return {
      create: [call("ec2:CreateTags", on, requestKeys(props.tags)), claimed],
      read: [call("ec2:DescribeSecurityGroups", "*")],
      update: [call("ec2:CreateTags", on, { ...requestKeys(props.tags), ...ownKeys(props.tags) })],
      delete: [],
    };
  },
};

export function ec2Calls(cloud: Cloud, verb: Verb, { type, id, props, news }: TargetResource): readonly ApiCall[] {
  const [kind, create, read, remove, others] = EC2[type] ?? ["", "", "", "", []];
  const on = `arn:aws:ec2:${cloud.region}:${cloud.account}:${kind}/${id || "new"}`;
  if (verb === "read") return [call(`ec2:${read}`, "*")];
  if (verb === "delete") {
    // A rule is revoked on its group.
    const group = kind === "security-group-rule" ? text(props.securityGroupId) : "";
    return group ? [onOther(cloud, `ec2:${remove}`, group)] : [call(`ec2:${remove}`, on, ownKeys(props.tags))];
  }
  const tagKeys = { ...requestKeys((news ?? props).tags), ...(verb === "update" ? ownKeys(props.tags) : {}) };
  if (verb === "update") return [call("ec2:CreateTags", on, tagKeys)];
  const named = others
    .flatMap((property) => [props[property]].flat())
    .filter((each) => typeof each === "string" && each !== "");
  const launched = type === "aws:ec2/instance:Instance" ? [...launchCalls(cloud, props), ...passed(cloud, props)] : [];
  return [
    call(`ec2:${create}`, on, tagKeys),
    call("ec2:CreateTags", on, { ...tagKeys, "ec2:CreateAction": create }),
    ...named.map((other) => onOther(cloud, `ec2:${create}`, String(other))),
    ...launched,
  ];
}

/** A launch makes an interface and the root volume as well, and hands the host its role. */
const launchCalls = (cloud: Cloud, props: Props): readonly ApiCall[] => [
  call("ec2:RunInstances", `arn:aws:ec2:${cloud.region}:${cloud.account}:network-interface/new`),
  call("ec2:RunInstances", `arn:aws:ec2:${cloud.region}:${cloud.account}:volume/new`, requestKeys(props.volumeTags)),
];

/** Whoever launches a host hands it its role. */
export function passed(cloud: Cloud, { iamInstanceProfile }: Props): readonly ApiCall[] {
  const profile = cloud.find("aws:iam/instanceProfile:InstanceProfile", text(iamInstanceProfile));
  const role = `arn:aws:iam::${cloud.account}:role/${text(profile?.props.role)}`;
  return profile ? [call("iam:PassRole", role, { "iam:PassedToService": "ec2.amazonaws.com" })] : [];
}

const KINDS_BY_PREFIX: Readonly<Record<string, string>> = {
  ami: "image",
  eipalloc: "elastic-ip",
  i: "instance",
  igw: "internet-gateway",
  lt: "launch-template",
  nat: "natgateway",
  rtb: "route-table",
  sg: "security-group",
  snap: "snapshot",
  subnet: "subnet",
  vol: "volume",
  vpc: "vpc",
};

/** A call on something that is there, by its id, with its tags. */
export function onOther(cloud: Cloud, action: string, id: string): ApiCall {
  const prefix = id.split("-")[0] ?? "";
  const kind = KINDS_BY_PREFIX[prefix];
  if (!kind) throw new Error(`the fake of IAM does not know what ${id} is: add it to iam/calls.ts`);
  const thing = cloud.inventory().find((one) => one.id === id);
  const owner = kind === "image" || kind === "snapshot" ? "" : cloud.account;
  return call(action, `arn:aws:ec2:${cloud.region}:${owner}:${kind}/${id}`, ownKeys(thing?.props.tags));
}
