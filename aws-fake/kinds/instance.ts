import { AwsError } from "../aws-error.ts";
import type { Cloud } from "../cloud.ts";
import { type Kind, type Props, record, type Thing, text } from "../kind.ts";
import { demandLaunch, marketOf, zoneOf } from "./launch.ts";
import { VOLUME } from "./volume.ts";

export const INSTANCE = "aws:ec2/instance:Instance";

/** StopInstances; a one-time spot instance can't be. */
export function stopInstance(cloud: Cloud, host: Thing): void {
  if (host.props.instanceState !== "running") return;
  const spot = record(record(host.props.instanceMarketOptions).spotOptions);
  if (marketOf(host.props) === "spot" && spot.spotInstanceType !== "persistent") {
    throw new AwsError(
      "UnsupportedOperation",
      `You can't stop the Spot Instance '${host.id}' because it is associated with a one-time Spot Instance request.`,
    );
  }
  host.props = { ...host.props, instanceState: "stopped" };
  cloud.record("StopInstances", host.label);
}

export function startInstance(cloud: Cloud, host: Thing): void {
  if (host.props.instanceState === "running") return;
  const { availabilityZone, instanceType } = host.props;
  const wish = { type: text(instanceType), zone: text(availabilityZone), market: marketOf(host.props) };
  if (cloud.knobs.noCapacity(wish))
    throw new AwsError("InsufficientInstanceCapacity", `We currently do not have sufficient ${wish.type} capacity`);
  host.props = { ...host.props, instanceState: "running" };
  cloud.record("StartInstances", host.label);
}

export function terminateInstance(cloud: Cloud, host: Thing): void {
  if (host.props.disableApiTermination === true)
    throw new AwsError("OperationNotPermitted", `The instance '${host.id}' may not be terminated.`);
  for (const volume of cloud.all(VOLUME).filter((one) => one.props.__attachedTo === host.id)) {
    if (host.props.instanceState === "running") cloud.broke(`${host.label} terminated while it had ${volume.label}`);
    volume.props = { ...volume.props, __attachedTo: "" };
  }
  cloud.remove(host);
  cloud.record("TerminateInstances", host.label);
}

/** The hardware under a host fails: the disk is free again, and nobody has unmounted it. */
export function loseInstance(cloud: Cloud, host: Thing): void {
  for (const volume of cloud.all(VOLUME).filter((one) => one.props.__attachedTo === host.id)) {
    volume.props = { ...volume.props, __attachedTo: "" };
  }
  cloud.remove(host);
}

/** RunInstances. `inputs` are an instance's, or a launch template's put into that form. */
export function runInstance(cloud: Cloud, inputs: Props, maxRetries: number): Thing {
  demandLaunch(cloud, inputs, maxRetries);
  const key = cloud.newId("i");
  const root = record(inputs.rootBlockDevice);
  const number = cloud.all(INSTANCE).length + 1;
  const host = cloud.add(
    INSTANCE,
    key,
    {
      ...inputs,
      rootBlockDevice: { deleteOnTermination: true, ...root },
      arn: cloud.arn("ec2", `instance/${key}`),
      availabilityZone: zoneOf(cloud, inputs),
      instanceState: "running",
      instanceLifecycle: marketOf(inputs) === "spot" ? "spot" : "",
      primaryNetworkInterfaceId: cloud.newId("eni"),
      privateIp: `10.0.0.${10 + number}`,
      privateDns: `ip-10-0-0-${10 + number}.ec2.internal`,
      publicIp: isPublic(cloud, inputs) ? `198.51.100.${10 + number}` : "",
      publicDns: "",
      __rootDevice: "/dev/xvda",
    },
    `host ${hostNumber(cloud)}`,
  );
  cloud.record("RunInstances", host.label);
  return host;
}

function isPublic(cloud: Cloud, { associatePublicIpAddress, subnetId }: Props): boolean {
  const subnet = cloud.all("aws:ec2/subnet:Subnet").find(({ id }) => id === subnetId);
  return (associatePublicIpAddress ?? subnet?.props.mapPublicIpOnLaunch) === true;
}

const made = new WeakMap<Cloud, number>();
function hostNumber(cloud: Cloud): number {
  const next = (made.get(cloud) ?? 0) + 1;
  made.set(cloud, next);
  return next;
}

const STOPPED_FOR = ["instanceType", "userData", "userDataBase64", "ebsOptimized"];
const MODIFIED: Readonly<Record<string, string>> = {
  iamInstanceProfile: "ReplaceIamInstanceProfileAssociation",
  vpcSecurityGroupIds: "ModifyNetworkInterfaceAttribute",
  metadataOptions: "ModifyInstanceMetadataOptions",
  rootBlockDevice: "ModifyVolume",
  tags: "CreateTags",
};

function update(cloud: Cloud, host: Thing, news: Props, olds: Props): void {
  const changed = Object.keys({ ...olds, ...news }).filter(
    (key) => JSON.stringify(news[key]) !== JSON.stringify(olds[key]),
  );
  for (const key of changed.filter((one) => !STOPPED_FOR.includes(one))) {
    cloud.record(MODIFIED[key] ?? "ModifyInstanceAttribute", host.label);
  }
  if (!changed.some((key) => STOPPED_FOR.includes(key))) return;
  // The provider stops the host, modifies it, and starts it again; that needs capacity too.
  stopInstance(cloud, host);
  cloud.record("ModifyInstanceAttribute", host.label);
  host.props = { ...host.props, instanceType: news.instanceType };
  startInstance(cloud, host);
}

export const INSTANCES: readonly Kind[] = [
  {
    token: INSTANCE,
    replaces: [
      "ami",
      "availabilityZone",
      "subnetId",
      "keyName",
      "privateIp",
      "instanceMarketOptions",
      "launchTemplate",
      "networkInterfaces",
      "ebsBlockDevices",
      "ephemeralBlockDevices",
      "cpuOptions",
      "enclaveOptions",
      "hibernation",
      "placementGroup",
      "securityGroups",
      "rootBlockDevice.encrypted",
      "rootBlockDevice.kmsKeyId",
      "rootBlockDevice.snapshotId",
    ],
    alsoReplaces: (news) => (news.userDataReplaceOnChange === true ? ["userData", "userDataBase64"] : []),
    taggable: true,
    computed: [
      "arn",
      "instanceState",
      "instanceLifecycle",
      "primaryNetworkInterfaceId",
      "privateDns",
      "privateIp",
      "publicDns",
      "publicIp",
      "availabilityZone",
    ],
    references: {
      subnetId: "aws:ec2/subnet:Subnet",
      vpcSecurityGroupIds: "aws:ec2/securityGroup:SecurityGroup",
      iamInstanceProfile: "aws:iam/instanceProfile:InstanceProfile",
    },
    create: (cloud, { __maxRetries, ...inputs }) => runInstance(cloud, inputs, Number(__maxRetries)),
    update,
    delete: (cloud, host) => terminateInstance(cloud, host),
  },
];
