import type { Cloud } from "../../aws-fake/cloud.ts";
import { TYPES } from "../../aws-fake/facts.ts";
import type { AwsSettings } from "../../infra/config/aws/settings.ts";
import { commandFor } from "../core/command-line.ts";
import { CliError, EXIT } from "../core/exit.ts";

const VPC = "vpc-of-the-rehearsal";
/** What the fake gives a volume or snapshot that exists, in GiB: more than a model needs. */
const EXISTING_GIB = 500;

/** Throws a CliError for a stack whose host the fake does not know. */
export function requireKnownTypes({ pinnedInstanceType, instanceTypes }: AwsSettings, stack: string): void {
  const type = pinnedInstanceType ?? instanceTypes[0] ?? "";
  if (TYPES.has(type)) return;
  const message = `A rehearsal knows the instance types ${[...TYPES.keys()].join(", ")}, not ${type}.`;
  const fix =
    pinnedInstanceType === null
      ? commandFor(stack, "rehearse --config instanceTypes=g6.xlarge")
      : commandFor(stack, "rehearse --config pinnedInstanceType=g6.xlarge");
  throw new CliError({ message, fix }, EXIT.usage);
}

/** Puts into the account what the config names as existing: its network, volume, snapshot, machine image and key. */
export function addExisting(cloud: Cloud, settings: AwsSettings): void {
  const { vpcId, subnetId, albSubnetIds, volumeId, volumeSnapshotId, amiId, kmsKeyArn } = settings;
  const zone = settings.availabilityZone ?? cloud.zones[0] ?? "";
  const vpc = vpcId ?? VPC;
  const subnets = [...new Set([...(subnetId ? [subnetId] : []), ...albSubnetIds])];
  if (subnets.length > 0)
    cloud.add("aws:ec2/vpc:Vpc", vpc, { cidrBlock: "10.0.0.0/16", arn: cloud.arn("ec2", `vpc/${vpc}`) });
  const others = cloud.zones.filter((each) => each !== zone);
  for (const [index, id] of subnets.entries()) {
    const availabilityZone = id === subnetId ? zone : others[index];
    const props = { vpcId: vpc, cidrBlock: `10.0.${index}.0/24`, availabilityZone, mapPublicIpOnLaunch: true };
    cloud.add("aws:ec2/subnet:Subnet", id, { ...props, arn: cloud.arn("ec2", `subnet/${id}`) });
  }
  const disk = {
    size: EXISTING_GIB,
    type: "gp3",
    iops: 3000,
    throughput: 125,
    encrypted: true,
    tags: {},
    __modifications: 0,
  };
  if (volumeId) {
    const arn = cloud.arn("ec2", `volume/${volumeId}`);
    cloud.add("aws:ebs/volume:Volume", volumeId, { ...disk, arn, availabilityZone: zone, __bytes: "models" });
  }
  if (volumeSnapshotId)
    cloud.add("aws:ebs/snapshot:Snapshot", volumeSnapshotId, { volumeSize: 1, encrypted: true, __bytes: "models" });
  if (amiId && !cloud.images.some(({ id }) => id === amiId)) cloud.images.push({ id: amiId, name: amiId, rootGb: 30 });
  if (kmsKeyArn) {
    const id = kmsKeyArn.split("/").at(-1) ?? kmsKeyArn;
    cloud.add("aws:kms/key:Key", id, { arn: kmsKeyArn, keyId: id });
  }
}

/** The keys of the config whose things are made up, for the reader. */
export function existingKeys(settings: AwsSettings): readonly string[] {
  const keys = ["vpcId", "subnetId", "albSubnetIds", "volumeId", "volumeSnapshotId", "amiId", "kmsKeyArn"] as const;
  return keys.filter((key) => settings[key] !== null && settings[key].length > 0);
}
