import { describe, expect, test } from "vitest";
import { inputsOf, runStack } from "../support/aws-program.ts";
import { ALB, awsPlanWith } from "../support/aws-settings.ts";
import { known } from "../support/outputs.ts";
import { theOnly } from "../support/program.ts";

const SUBNET = "aws:ec2/subnet:Subnet";
const ROUTE = "aws:ec2/route:Route";
const ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint";

const stackWith = async (raw: Record<string, string> = {}) => runStack(awsPlanWith(raw));

async function networkOf(raw: Record<string, string>) {
  const { resources, result } = await stackWith(raw);
  const types = resources
    .filter(({ options }) => options.parent === "imagegen:host:AwsNetwork::image-gen")
    .map(({ type, name }) => `${type.split(":").at(-1)} ${name}`);
  return { resources, result, types: types.sort() };
}

test("public: one subnet in the volume's zone, and one default route", async () => {
  const { resources, types } = await networkOf({});
  expect(types).toEqual([
    "DefaultSecurityGroup image-gen-default",
    "FlowLog image-gen-flow-logs",
    "InternetGateway image-gen-internet",
    "LogGroup image-gen-flow-logs",
    "Role image-gen-flow-logs",
    "RolePolicy image-gen-flow-logs",
    "Route image-gen-out",
    "RouteTable image-gen-routes",
    "RouteTableAssociation image-gen-routes",
    "Subnet image-gen-subnet",
    "Vpc image-gen-vpc",
  ]);
  expect(theOnly(resources, SUBNET).inputs).toEqual({
    vpcId: "image-gen-vpc-id",
    cidrBlock: "10.96.1.0/25",
    availabilityZone: "us-east-1b",
    mapPublicIpOnLaunch: true,
    tags: { Name: "image-gen-host" },
  });
  expect(theOnly(resources, ROUTE).inputs).toEqual({
    routeTableId: "image-gen-routes-id",
    destinationCidrBlock: "0.0.0.0/0",
    gatewayId: "image-gen-internet-id",
  });
  expect(theOnly(resources, "aws:ec2/vpc:Vpc").inputs).toMatchObject({
    cidrBlock: "10.96.0.0/16",
    enableDnsSupport: true,
    enableDnsHostnames: true,
  });
});

test.each([{}, { network: "nat" }, { network: "endpoints-only", modelCache: "baked" }])(
  "a VPC of this stack with %j has a closed default security group, and its connections are recorded",
  async (raw) => {
    const { resources } = await networkOf({ ...raw, logRetentionDays: "7" });
    expect(theOnly(resources, "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup").inputs).toEqual({
      vpcId: "image-gen-vpc-id",
      ingress: [],
      egress: [],
    });
    expect(theOnly(resources, "aws:ec2/flowLog:FlowLog").inputs).toEqual({
      vpcId: "image-gen-vpc-id",
      trafficType: "ALL",
      logDestinationType: "cloud-watch-logs",
      logDestination: "arn:aws:logs:us-east-1:1:log-group:/imagegen/prod",
      iamRoleArn: "arn:aws:iam::1:role/r",
      maxAggregationInterval: 600,
    });
    expect(inputsOf(resources, "aws:cloudwatch/logGroup:LogGroup")["image-gen-flow-logs"]).toEqual({
      name: "/imagegen/prod/network",
      retentionInDays: 7,
    });
    const role = inputsOf(resources, "aws:iam/role:Role")["image-gen-flow-logs"];
    expect(role?.assumeRolePolicy).toContain("vpc-flow-logs.amazonaws.com");
  },
);

test("nat: the host has no address of its own, and leaves by the gateway's", async () => {
  const { resources } = await networkOf({ network: "nat" });
  const subnets = inputsOf(resources, SUBNET);
  expect(subnets["image-gen-subnet"]?.mapPublicIpOnLaunch).toBe(false);
  expect(subnets["image-gen-nat"]?.availabilityZone).toBe("us-east-1b");
  const routes = inputsOf(resources, ROUTE);
  expect(routes["image-gen-out"]).toMatchObject({
    routeTableId: "image-gen-routes-id",
    natGatewayId: "image-gen-nat-id",
  });
  expect(routes["image-gen-nat"]).toMatchObject({
    routeTableId: "image-gen-nat-id",
    gatewayId: "image-gen-internet-id",
  });
});

describe("endpoints-only", () => {
  const closed = { network: "endpoints-only", modelCache: "baked" };

  test("has no route out, and every service that the host needs inside", async () => {
    const { resources, types } = await networkOf(closed);
    expect(types.filter((type) => /^(?:Route|InternetGateway|NatGateway|Eip) /.test(type))).toEqual([]);
    const endpoints = inputsOf(resources, ENDPOINT);
    expect(Object.keys(endpoints).sort()).toEqual(
      ["ecr-api", "ecr-dkr", "logs", "monitoring", "s3", "ssm", "ssmmessages"].map((name) => `image-gen-${name}`),
    );
    expect(endpoints["image-gen-ecr-api"]).toEqual({
      vpcId: "image-gen-vpc-id",
      serviceName: "com.amazonaws.us-east-1.ecr.api",
      vpcEndpointType: "Interface",
      privateDnsEnabled: true,
      subnetIds: ["image-gen-subnet-id"],
      securityGroupIds: ["image-gen-endpoints-id"],
    });
  });

  test("S3 is there for ECR's layers alone", async () => {
    const { resources } = await networkOf(closed);
    const s3 = inputsOf(resources, ENDPOINT)["image-gen-s3"];
    expect(s3).toMatchObject({ vpcEndpointType: "Gateway", routeTableIds: ["image-gen-routes-id"] });
    const { Statement } = JSON.parse(s3?.policy as string) as { Statement: object[] };
    expect(Statement).toEqual([
      {
        Effect: "Allow",
        Principal: "*",
        Action: ["s3:GetObject", "s3:ListBucket"],
        Resource: ["arn:aws:s3:::prod-us-east-1-starport-layer-bucket/*"],
      },
    ]);
  });

  test("only the VPC itself reaches them, and the host sends nothing but TLS", async () => {
    const { resources } = await networkOf(closed);
    expect(inputsOf(resources, "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")).toEqual({
      "image-gen-endpoints": {
        securityGroupId: "image-gen-endpoints-id",
        description: "the VPC itself",
        cidrIpv4: "10.96.0.0/16",
        ipProtocol: "tcp",
        fromPort: 443,
        toPort: 443,
      },
    });
    expect(theOnly(resources, "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule").inputs).toEqual({
      securityGroupId: "image-gen-host-id",
      description: "what the host reaches",
      cidrIpv4: "0.0.0.0/0",
      ipProtocol: "tcp",
      fromPort: 443,
      toPort: 443,
    });
  });
});

test("an existing subnet: nothing is made, and its VPC is found", async () => {
  const { types, result } = await networkOf({ subnetId: "subnet-0a1b2c3d" }).catch((error: unknown) => {
    throw error;
  });
  expect(types).toEqual([]);
  expect(await known(result.network.vpcId)).toBe("vpc-there");
  expect(await known(result.network.subnetId)).toBe("subnet-0a1b2c3d");
});

test("another generation has a subnet of its own beside the old one", async () => {
  const { resources } = await networkOf({ volumeGeneration: "2" });
  expect(theOnly(resources, SUBNET)).toMatchObject({
    name: "image-gen-subnet-2",
    inputs: { cidrBlock: "10.96.2.0/25" },
  });
});

test("a load balancer has the host's zone and another, which do not move when the region's list does", async () => {
  const { resources, result } = await networkOf(ALB);
  const subnets = inputsOf(resources, SUBNET);
  expect([subnets["image-gen-alb-1"]?.availabilityZone, subnets["image-gen-alb-2"]?.availabilityZone]).toEqual([
    "us-east-1b",
    "us-east-1a",
  ]);
  const alb = resources.filter(({ type, name }) => type === SUBNET && name.startsWith("image-gen-alb-"));
  expect(alb.map(({ options }) => options.ignoreChanges)).toEqual([["availabilityZone"], ["availabilityZone"]]);
  expect(result.network.albSubnetIds).toHaveLength(2);
});

test("a load balancer moves with the host: its subnets of another generation are others", async () => {
  const { resources } = await networkOf({ ...ALB, volumeGeneration: "2" });
  const subnets = inputsOf(resources, SUBNET);
  expect(Object.fromEntries(Object.entries(subnets).map(([name, { cidrBlock }]) => [name, cidrBlock]))).toEqual({
    "image-gen-subnet-2": "10.96.2.0/25",
    "image-gen-alb-1-2": "10.96.2.128/26",
    "image-gen-alb-2-2": "10.96.2.192/26",
  });
});
