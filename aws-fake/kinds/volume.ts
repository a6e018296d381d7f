import { AwsError } from "../aws-error.ts";
import type { Cloud } from "../cloud.ts";
import { type Kind, number, type Props, type Thing, text } from "../kind.ts";
import { by, id, plain } from "./plain.ts";

export const VOLUME = "aws:ebs/volume:Volume";
const SNAPSHOT = "aws:ebs/snapshot:Snapshot";
/** Modifications of one volume within 24 hours. */
const MODIFICATIONS = 4;

/** gp3 as EC2's API describes it in 2026: sizes in GiB, throughput in MiB/s, and the ratios between them. */
function demandGp3(size: number, { type, iops, throughput }: Props): void {
  const refuse = (reason: string) => {
    throw new AwsError("InvalidParameterValue", reason);
  };
  if (size < 1 || size > 65_536) refuse(`Volume of ${size}GiB is not within 1 and 65536`);
  if (text(type) !== "gp3") return;
  const io = number(iops, 3000);
  const flow = number(throughput, 125);
  if (io < 3000 || io > 80_000) refuse(`Volume iops of ${io} is not within 3000 and 80000`);
  if (flow < 125 || flow > 2000) refuse(`Volume throughput of ${flow} is not within 125 and 2000`);
  if (io > 3000 && io > size * 500) refuse(`Iops to volume size ratio of ${io / size} is too high; maximum is 500`);
  if (flow > io * 0.25) refuse(`Throughput (MiBps) to iops ratio of ${flow / io} is too high; maximum is 0.25`);
}

function demandSource(cloud: Cloud, inputs: Props): number {
  const { snapshotId, volumeInitializationRate } = inputs;
  if (snapshotId === undefined || snapshotId === "") {
    if (number(volumeInitializationRate) > 0)
      throw new AwsError("InvalidParameterCombination", "VolumeInitializationRate takes a snapshot");
    if (inputs.size === undefined)
      throw new AwsError("MissingParameter", "The request must contain size or snapshotId");
    return number(inputs.size);
  }
  const rate = number(volumeInitializationRate, 100);
  if (rate < 100 || rate > 300)
    throw new AwsError("InvalidParameterValue", `rate of ${rate} is not within 100 and 300`);
  const of = number(cloud.get(SNAPSHOT, text(snapshotId)).props.volumeSize);
  const size = number(inputs.size, of);
  if (size < of) throw new AwsError("InvalidBlockDeviceMapping", `Volume of ${size}GiB is smaller than its snapshot`);
  return size;
}

function create(cloud: Cloud, wish: Props): Thing {
  const { __maxRetries, ...inputs } = wish;
  const type = text(inputs.type) || "gp2";
  if (!cloud.zones.includes(text(inputs.availabilityZone)))
    throw new AwsError("InvalidZone.NotFound", `The zone '${text(inputs.availabilityZone)}' does not exist.`);
  if (inputs.kmsKeyId !== undefined && inputs.encrypted !== true)
    throw new AwsError("InvalidParameterDependency", "KmsKeyId requires the Encrypted parameter to be set");
  const size = demandSource(cloud, inputs);
  demandGp3(size, { ...inputs, type });
  const key = cloud.newId("vol");
  const from = text(inputs.snapshotId) === "" ? undefined : cloud.get(SNAPSHOT, text(inputs.snapshotId));
  const volume = cloud.add(VOLUME, key, {
    ...inputs,
    type,
    size,
    iops: number(inputs.iops, 3000),
    throughput: number(inputs.throughput, 125),
    arn: cloud.arn("ec2", `volume/${key}`),
    createTime: "2026-11-22T00:00:00Z",
    // What is on the disk. Empty is blank.
    __bytes: from?.props.__bytes ?? "",
    __modifications: 0,
  });
  if (inputs.encrypted !== true) cloud.broke(`${volume.label} is not encrypted`);
  cloud.record("CreateVolume", volume.label);
  return volume;
}

function update(cloud: Cloud, volume: Thing, news: Props, olds: Props): void {
  const changed = ["size", "iops", "throughput", "type"].some((key) => news[key] !== olds[key]);
  if (!changed) {
    if (JSON.stringify(news.tags) !== JSON.stringify(olds.tags)) cloud.record("CreateTags", volume.label);
    return;
  }
  const size = number(news.size, number(volume.props.size));
  if (size < number(volume.props.size))
    throw new AwsError("InvalidParameterValue", `New size cannot be smaller than existing size of ${volume.label}`);
  demandGp3(size, news);
  const modifications = number(volume.props.__modifications) + 1;
  if (cloud.knobs.volumeCooldown && modifications > MODIFICATIONS)
    throw new AwsError(
      "VolumeModificationRateExceeded",
      `You've reached the maximum modification rate of ${volume.id}`,
    );
  volume.props = {
    ...volume.props,
    size,
    iops: number(news.iops, 3000),
    throughput: number(news.throughput, 125),
    __modifications: modifications,
  };
  cloud.record("ModifyVolume", volume.label);
}

function remove(cloud: Cloud, volume: Thing, state: Props): void {
  const host = attachedTo(cloud, volume.id);
  if (host !== undefined) throw new AwsError("VolumeInUse", `Volume ${volume.id} is currently attached to ${host}`);
  if (state.finalSnapshot === true) snapshot(cloud, volume, "final snapshot");
  cloud.remove(volume);
  cloud.record("DeleteVolume", volume.label);
}

/** A copy of what is on the disk now. */
export function snapshot(cloud: Cloud, volume: Thing, description: string): Thing {
  const key = cloud.newId("snap");
  const { size, encrypted, kmsKeyId, __bytes } = volume.props;
  const made = cloud.add(SNAPSHOT, key, {
    volumeId: volume.id,
    volumeSize: size,
    encrypted,
    kmsKeyId,
    __bytes,
    description,
  });
  cloud.record("CreateSnapshot", `${made.label} of ${volume.label}`);
  return made;
}

/** The instance that has the volume, by its id. */
export function attachedTo(cloud: Cloud, volumeId: string): string | undefined {
  const volume = cloud.all(VOLUME).find((one) => one.id === volumeId);
  const host = text(volume?.props.__attachedTo);
  return host === "" ? undefined : host;
}

export const STORAGE: readonly Kind[] = [
  {
    token: VOLUME,
    replaces: [
      "availabilityZone",
      "encrypted",
      "kmsKeyId",
      "snapshotId",
      "multiAttachEnabled",
      "outpostArn",
      "volumeInitializationRate",
    ],
    taggable: true,
    computed: ["arn", "createTime"],
    references: { kmsKeyId: "aws:kms/key:Key" },
    create,
    update,
    delete: remove,
  },
  plain({
    token: SNAPSHOT,
    api: ["CreateSnapshot", "ModifySnapshotAttribute", "DeleteSnapshot"],
    id: id("snap"),
    replaces: ["volumeId", "description", "outpostArn"],
    outputs: (cloud, key, { volumeId }) => ({
      arn: cloud.arn("ec2", `snapshot/${key}`),
      volumeSize: cloud.find(VOLUME, text(volumeId))?.props.size ?? 0,
    }),
  }),
  plain({
    token: "aws:ec2/tag:Tag",
    api: ["CreateTags", "CreateTags", "DeleteTags"],
    taggable: false,
    id: (_, { resourceId, key }) => `${text(resourceId)},${text(key)}`,
    replaces: ["resourceId", "key"],
  }),
  plain({
    token: "aws:kms/key:Key",
    api: ["CreateKey", "PutKeyPolicy", "ScheduleKeyDeletion"],
    id: id("key"),
    replaces: ["keyUsage", "customerMasterKeySpec", "customKeyStoreId", "multiRegion"],
    outputs: (cloud, key) => ({ arn: cloud.arn("kms", `key/${key}`), keyId: key }),
    demand: (_, { deletionWindowInDays: days }) => {
      if (days !== undefined && (number(days) < 7 || number(days) > 30))
        throw new AwsError("ValidationException", `PendingWindowInDays of ${number(days)} is not within 7 and 30`);
    },
    beforeDelete: (cloud, key) => {
      // AWS lets one do it, and the bytes are lost when the key is gone.
      for (const user of [...cloud.all(VOLUME), ...cloud.all(SNAPSHOT)]) {
        const used = text(user.props.kmsKeyId);
        if (used === key.id || used === key.props.arn)
          cloud.broke(`the key of ${user.label} is scheduled for deletion`);
      }
    },
  }),
  plain({
    token: "aws:kms/alias:Alias",
    api: ["CreateAlias", "UpdateAlias", "DeleteAlias"],
    taggable: false,
    id: by("name"),
    name: "name",
    references: { targetKeyId: "aws:kms/key:Key" },
    outputs: (cloud, key) => ({ arn: cloud.arn("kms", key), targetKeyArn: cloud.arn("kms", "key") }),
    demand: (_, { name }) => {
      if (!/^alias\/(?!aws\/)[\w/-]+$/.test(text(name)))
        throw new AwsError("ValidationException", `Invalid alias: ${text(name)}`);
    },
  }),
];
