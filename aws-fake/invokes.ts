import { createHash } from "node:crypto";
import { AwsError } from "./aws-error.ts";
import type { Cloud } from "./cloud.ts";
import { TYPES } from "./facts.ts";
import { type Props, record, text, texts } from "./kind.ts";
import { getParameter } from "./kinds/parameters.ts";
import { registryOf } from "./kinds/registry.ts";
import { VOLUME } from "./kinds/volume.ts";

type Invoke = (cloud: Cloud, args: Props) => Props;

/** The package's functions that read the account. One that is not here is refused by name. */
export async function invoke(cloud: Cloud, token: string, args: Props): Promise<Props> {
  const name = token.split(":").slice(-1)[0] ?? "";
  const found = INVOKES[name];
  if (!found) throw new Error(`the fake of AWS has no ${token}: add it to aws-fake/invokes.ts`);
  return { id: name, ...args, ...found(cloud, args) };
}

const VPC = "aws:ec2/vpc:Vpc";
const SUBNET = "aws:ec2/subnet:Subnet";

const INVOKES: Readonly<Record<string, Invoke>> = {
  getRegion: ({ region }) => ({ id: region, region, name: region, description: "US East (N. Virginia)" }),
  getPartition: () => ({ partition: "aws", dnsSuffix: "amazonaws.com", reverseDnsPrefix: "com.amazonaws" }),
  getCallerIdentity: ({ account }) => ({
    accountId: account,
    arn: `arn:aws:iam::${account}:user/tester`,
    userId: "AIDA",
  }),
  getAvailabilityZones: ({ region, zones }) => ({
    names: zones,
    zoneIds: zones.map((_, index) => `use1-az${index + 1}`),
    groupNames: [region],
  }),
  getParameter: (cloud, { name }) => {
    const value = cloud.knobs.released.get(text(name)) ?? text(getParameter(cloud, text(name)).value);
    return { value, insecureValue: value, type: "String", version: 1, arn: cloud.arn("ssm", `parameter${text(name)}`) };
  },
  getAmi: (cloud, { filters, owners }) => {
    const wanted = (Array.isArray(filters) ? filters : []).map(record).find((one) => one.name === "image-id");
    const ami = cloud.images.find(({ id }) => texts(wanted?.values).includes(id));
    if (!ami || !Array.isArray(owners)) throw new AwsError("InvalidAMIID.NotFound", "Your query returned no results.");
    const blockDeviceMappings = [{ deviceName: "/dev/xvda", ebs: { volume_size: String(ami.rootGb) } }];
    return { id: ami.id, imageId: ami.id, name: ami.name, rootDeviceName: "/dev/xvda", blockDeviceMappings };
  },
  getInstanceType: (_, { instanceType }) => {
    const facts = TYPES.get(text(instanceType));
    if (!facts) throw new AwsError("InvalidInstanceType", `The instance type '${text(instanceType)}' does not exist`);
    const { gpu } = facts;
    return {
      instanceType,
      defaultVcpus: facts.vcpus,
      memorySize: facts.memoryMib,
      gpuses: gpu ? [{ name: gpu.name, manufacturer: "NVIDIA", count: 1, memorySize: gpu.memoryMib }] : [],
      totalGpuMemory: gpu?.memoryMib ?? 0,
      ebsPerformanceBaselineThroughput: facts.ebsBaseline,
      ebsPerformanceMaximumThroughput: facts.ebsMaximum,
      ebsPerformanceBaselineIops: facts.ebsBaselineIops,
      ebsPerformanceMaximumIops: facts.ebsMaximumIops,
      totalInstanceStorage: facts.instanceStoreGb,
      autoRecoverySupported: gpu === undefined,
      supportedUsagesClasses: ["on-demand", "spot"],
    };
  },
  getInstanceTypeOfferings: (cloud, { filters }) => {
    const asked = (Array.isArray(filters) ? filters : []).map(record);
    const values = (name: string) => texts(asked.find((one) => one.name === name)?.values);
    const rows = [...TYPES].flatMap(([type, { zones }]) =>
      cloud.zones.filter((zone) => zones.includes(zone.at(-1) ?? "-")).map((zone) => ({ type, zone })),
    );
    const kept = rows.filter(
      ({ type, zone }) =>
        (values("instance-type").length === 0 || values("instance-type").includes(type)) &&
        (values("location").length === 0 || values("location").includes(zone)),
    );
    return {
      instanceTypes: kept.map(({ type }) => type),
      locations: kept.map(({ zone }) => zone),
      locationTypes: kept.map(() => "availability-zone"),
    };
  },
  getVpc: (cloud, args) => readOne(cloud, VPC, args),
  getSubnet: (cloud, args) => readOne(cloud, SUBNET, args),
  getSubnets: (cloud, { filters }) => {
    const vpc = texts((Array.isArray(filters) ? filters : []).map(record).find((one) => one.name === "vpc-id")?.values);
    const found = cloud.all(SUBNET).filter(({ props }) => vpc.length === 0 || vpc.includes(text(props.vpcId)));
    return { ids: found.map(({ id }) => id) };
  },
  getRouteTable: (cloud, { subnetId }) => ({ routeTableId: `rtb-main-of-${text(subnetId)}`, vpcId: cloud.region }),
  getVolume: (cloud, { filters }) => {
    const wanted = (Array.isArray(filters) ? filters : []).map(record).find((one) => one.name === "volume-id");
    return readOne(cloud, VOLUME, { id: texts(wanted?.values)[0] });
  },
  getSnapshot: (cloud, { snapshotIds }) => readOne(cloud, "aws:ebs/snapshot:Snapshot", { id: texts(snapshotIds)[0] }),
  getManagedPrefixList: () => ({ id: "pl-63a5400a", entries: [] }),
  getPrefixList: () => ({ id: "pl-63a5400a", cidrBlocks: ["52.216.0.0/15"] }),
  getAuthorizationToken: (cloud) => ({
    authorizationToken: Buffer.from("AWS:password-of-the-fake").toString("base64"),
    userName: "AWS",
    password: "password-of-the-fake",
    proxyEndpoint: `https://${registryOf(cloud)}`,
    expiresAt: "2026-11-23T00:00:00Z",
  }),
  getSecretVersion: (_, { secretId }) => ({
    secretId,
    arn: secretId,
    secretString: "client-secret-of-the-fake",
    versionId: "1",
  }),
  getPolicyDocument: (_, args) => {
    const statements = (Array.isArray(args.statements) ? args.statements : []).map(record);
    const json = JSON.stringify({ Version: "2012-10-17", Statement: statements.map(statementOf) });
    return { json, minifiedJson: json, id: createHash("sha256").update(json).digest("hex").slice(0, 10) };
  },
};

function readOne(cloud: Cloud, kind: string, args: Props): Props {
  const { id, props } = cloud.get(kind, text(args.id));
  return { ...Object.fromEntries(Object.entries(props).filter(([key]) => !key.startsWith("__"))), id };
}

function statementOf(statement: Props): Props {
  const { sid, effect, actions, notActions, resources, notResources, principals, conditions } = statement;
  const who = (Array.isArray(principals) ? principals : []).map(record);
  const when: Record<string, Record<string, unknown>> = {};
  for (const one of (Array.isArray(conditions) ? conditions : []).map(record)) {
    when[text(one.test)] = { ...when[text(one.test)], [text(one.variable)]: one.values };
  }
  const fields = {
    Sid: sid,
    Effect: effect ?? "Allow",
    Action: actions,
    NotAction: notActions,
    Resource: resources,
    NotResource: notResources,
    Principal: who.length > 0 ? Object.fromEntries(who.map((one) => [text(one.type), one.identifiers])) : undefined,
    Condition: Object.keys(when).length > 0 ? when : undefined,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
