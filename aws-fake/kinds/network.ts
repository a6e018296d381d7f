import { AwsError } from "../aws-error.ts";
import { type Kind, type Props, record, text } from "../kind.ts";
import { id, plain } from "./plain.ts";

const VPC = "aws:ec2/vpc:Vpc";
const SUBNET = "aws:ec2/subnet:Subnet";
const TABLE = "aws:ec2/routeTable:RouteTable";
const GROUP = "aws:ec2/securityGroup:SecurityGroup";
const GATEWAY = "aws:ec2/internetGateway:InternetGateway";
const NAT = "aws:ec2/natGateway:NatGateway";
const ADDRESS = "aws:ec2/eip:Eip";
const RULE = ["securityGroupId"];
const rule = { securityGroupId: GROUP, referencedSecurityGroupId: GROUP };

/** A rule that lets the whole world in is said to be one: no stack may have it unless its config says so. */
function opensToTheWorld(inputs: Props): boolean {
  return inputs.cidrIpv4 === "0.0.0.0/0" || inputs.cidrIpv6 === "::/0";
}

export const NETWORK: readonly Kind[] = [
  plain({
    token: VPC,
    api: ["CreateVpc", "ModifyVpcAttribute", "DeleteVpc"],
    id: id("vpc"),
    replaces: ["cidrBlock", "instanceTenancy"],
    outputs: (cloud, key) => ({
      arn: cloud.arn("ec2", `vpc/${key}`),
      mainRouteTableId: `rtb-main-${key}`,
      defaultRouteTableId: `rtb-main-${key}`,
      defaultSecurityGroupId: `sg-default-${key}`,
      defaultNetworkAclId: `acl-default-${key}`,
      ownerId: cloud.account,
    }),
  }),
  plain({
    token: SUBNET,
    api: ["CreateSubnet", "ModifySubnetAttribute", "DeleteSubnet"],
    id: id("subnet"),
    replaces: ["vpcId", "cidrBlock", "availabilityZone", "availabilityZoneId", "outpostArn"],
    references: { vpcId: VPC },
    outputs: (cloud, key, inputs) => ({
      arn: cloud.arn("ec2", `subnet/${key}`),
      availabilityZone: text(inputs.availabilityZone) || cloud.zones[0],
      ownerId: cloud.account,
    }),
    demand: (cloud, { availabilityZone, vpcId, cidrBlock }) => {
      // An update comes by here too, with its own range.
      const twins = cloud.all(SUBNET).filter(({ props }) => props.vpcId === vpcId && props.cidrBlock === cidrBlock);
      if (twins.some(({ props }) => props.availabilityZone !== availabilityZone))
        throw new AwsError("InvalidSubnet.Conflict", `The CIDR '${text(cidrBlock)}' conflicts with another subnet`);
      if (availabilityZone === undefined || cloud.zones.includes(text(availabilityZone))) return;
      throw new AwsError("InvalidParameterValue", `Value (${text(availabilityZone)}) for availabilityZone is invalid`);
    },
  }),
  plain({
    token: GATEWAY,
    api: ["CreateInternetGateway", "AttachInternetGateway", "DeleteInternetGateway"],
    id: id("igw"),
    references: { vpcId: VPC },
    outputs: (cloud, key) => ({ arn: cloud.arn("ec2", `internet-gateway/${key}`), ownerId: cloud.account }),
    beforeDelete: (cloud, gateway) => {
      const inside = cloud.all(SUBNET).filter(({ props }) => props.vpcId === gateway.props.vpcId);
      const mapped = cloud
        .all("aws:ec2/instance:Instance")
        .find(({ props }) => text(props.publicIp) !== "" && inside.some(({ id: subnet }) => subnet === props.subnetId));
      if (!mapped) return;
      throw new AwsError("DependencyViolation", `Network has some mapped public address(es): ${mapped.label}`);
    },
  }),
  plain({
    token: ADDRESS,
    api: ["AllocateAddress", "AssociateAddress", "ReleaseAddress"],
    id: id("eipalloc"),
    replaces: ["domain", "publicIpv4Pool"],
    outputs: (_, key) => ({ allocationId: key, publicIp: "198.51.100.7" }),
  }),
  plain({
    token: NAT,
    api: ["CreateNatGateway", "ModifyNatGateway", "DeleteNatGateway"],
    id: id("nat"),
    replaces: ["subnetId", "allocationId", "connectivityType"],
    references: { subnetId: SUBNET, allocationId: ADDRESS },
    outputs: () => ({ publicIp: "198.51.100.7", networkInterfaceId: "eni-0nat" }),
  }),
  plain({
    token: TABLE,
    api: ["CreateRouteTable", "ReplaceRoute", "DeleteRouteTable"],
    id: id("rtb"),
    replaces: ["vpcId"],
    references: { vpcId: VPC },
    outputs: (cloud, key) => ({ arn: cloud.arn("ec2", `route-table/${key}`), ownerId: cloud.account }),
  }),
  plain({
    token: "aws:ec2/route:Route",
    api: ["CreateRoute", "ReplaceRoute", "DeleteRoute"],
    taggable: false,
    id: (_, { routeTableId, destinationCidrBlock }) => `r-${text(routeTableId)}-${text(destinationCidrBlock)}`,
    replaces: ["routeTableId", "destinationCidrBlock"],
    references: { routeTableId: TABLE, gatewayId: GATEWAY, natGatewayId: NAT },
    outputs: () => ({ origin: "CreateRoute", state: "active" }),
  }),
  plain({
    token: "aws:ec2/routeTableAssociation:RouteTableAssociation",
    api: ["AssociateRouteTable", "ReplaceRouteTableAssociation", "DisassociateRouteTable"],
    taggable: false,
    id: id("rtbassoc"),
    replaces: ["subnetId", "gatewayId"],
    references: { subnetId: SUBNET, routeTableId: TABLE },
  }),
  plain({
    token: GROUP,
    api: ["CreateSecurityGroup", "ModifySecurityGroup", "DeleteSecurityGroup"],
    id: id("sg"),
    name: "name",
    replaces: ["description", "vpcId", "namePrefix"],
    defaults: { description: "Managed by Pulumi" },
    references: { vpcId: VPC },
    outputs: (cloud, key) => ({ arn: cloud.arn("ec2", `security-group/${key}`), ownerId: cloud.account }),
    demand: (cloud, { name, vpcId }) => {
      const twin = cloud.all(GROUP).find((one) => one.props.name === name && one.props.vpcId === vpcId);
      if (twin) throw new AwsError("InvalidGroup.Duplicate", `The security group '${text(name)}' already exists`);
    },
  }),
  ...["Ingress", "Egress"].map((way) =>
    plain({
      token: `aws:vpc/securityGroup${way}Rule:SecurityGroup${way}Rule`,
      api: [`AuthorizeSecurityGroup${way}`, "ModifySecurityGroupRules", `RevokeSecurityGroup${way}`],
      id: id("sgr"),
      replaces: RULE,
      references: rule,
      outputs: (cloud, key) => ({
        arn: cloud.arn("ec2", `security-group-rule/${key}`),
        securityGroupRuleId: key,
      }),
      demand: (cloud, inputs) => {
        if (way === "Ingress" && opensToTheWorld(inputs)) cloud.broke("an ingress rule is open to the world");
      },
    }),
  ),
  plain({
    // There already, in every VPC: the provider takes it over, and leaves it as it is when it goes.
    token: "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    api: ["RevokeSecurityGroupRules", "RevokeSecurityGroupRules", "ForgetDefaultSecurityGroup"],
    id: (_, { vpcId }) => `sg-default-${text(vpcId)}`,
    replaces: ["vpcId"],
    references: { vpcId: VPC },
    outputs: (cloud, key) => ({ arn: cloud.arn("ec2", `security-group/${key}`), ownerId: cloud.account }),
  }),
  plain({
    token: "aws:ec2/flowLog:FlowLog",
    api: ["CreateFlowLogs", "ModifyFlowLog", "DeleteFlowLogs"],
    id: id("fl"),
    // All but its tags.
    replaces: ["vpcId", "trafficType", "logDestination", "logDestinationType", "iamRoleArn", "maxAggregationInterval"],
    references: { vpcId: VPC },
    outputs: (cloud, key) => ({ arn: cloud.arn("ec2", `vpc-flow-log/${key}`) }),
    demand: (cloud, { logDestinationType, logDestination, iamRoleArn, maxAggregationInterval = 600 }) => {
      if (maxAggregationInterval !== 60 && maxAggregationInterval !== 600)
        throw new AwsError("InvalidParameter", "maxAggregationInterval: expected 60 or 600");
      if (logDestinationType !== "cloud-watch-logs") return;
      const groups = cloud.all("aws:cloudwatch/logGroup:LogGroup").map(({ props }) => props.arn);
      const roles = cloud.all("aws:iam/role:Role");
      const role = roles.find(({ props }) => props.arn === iamRoleArn);
      if (
        !groups.includes(logDestination) ||
        !text(role?.props.assumeRolePolicy).includes("vpc-flow-logs.amazonaws.com")
      )
        throw new AwsError(
          "InvalidParameter",
          "Access Denied for LogDestination. Please check LogDestination permission",
        );
    },
  }),
  plain({
    token: "aws:ec2/vpcEndpoint:VpcEndpoint",
    api: ["CreateVpcEndpoint", "ModifyVpcEndpoint", "DeleteVpcEndpoints"],
    id: id("vpce"),
    replaces: ["vpcId", "serviceName", "vpcEndpointType", "serviceRegion"],
    references: { vpcId: VPC, subnetIds: SUBNET, securityGroupIds: GROUP, routeTableIds: TABLE },
    outputs: (cloud, key) => ({
      arn: cloud.arn("ec2", `vpc-endpoint/${key}`),
      prefixListId: "pl-63a5400a",
      state: "available",
      dnsEntries: [],
    }),
    demand: (cloud, { serviceName, vpcId, privateDnsEnabled, policy }) => {
      if (!new RegExp(`^com\\.amazonaws\\.${cloud.region}\\.[a-z0-9.-]+$`).test(text(serviceName)))
        throw new AwsError("InvalidServiceName", `The Vpc Endpoint Service '${text(serviceName)}' does not exist`);
      const vpc = cloud.find(VPC, text(vpcId))?.props;
      if (privateDnsEnabled === true && vpc && !(vpc.enableDnsHostnames === true && vpc.enableDnsSupport !== false))
        throw new AwsError("InvalidParameter", "Enabling private DNS requires both enableDnsSupport and Hostnames");
      if (policy !== undefined) record(JSON.parse(text(policy)));
    },
  }),
];
