import { describe, expect, test } from "vitest";
import { Account } from "./account.ts";

const VOLUME = "aws:ebs/volume:Volume";
const INSTANCE = "aws:ec2/instance:Instance";
const ATTACHMENT = "aws:ec2/volumeAttachment:VolumeAttachment";
const PARAMETER = "aws:ssm/parameter:Parameter";

describe("a volume", () => {
  test("is attached to one host at a time, of its own zone", async () => {
    const account = await Account.open();
    const [first, second] = [await account.host(), await account.host()];
    const volume = await account.volume();
    await account.attach(volume, first);
    await expect(account.attach(volume, second)).rejects.toThrow("VolumeInUse");
    const elsewhere = await account.volume({ availabilityZone: "us-east-1b" });
    await expect(account.attach(elsewhere, second)).rejects.toThrow("InvalidVolume.ZoneMismatch");
    await expect(account.attach(await account.volume(), second, { deviceName: "/dev/xvda" })).rejects.toThrow("device");
  });

  test("is not deleted while it is attached, and is when it is not", async () => {
    const account = await Account.open();
    const [host, volume] = [await account.host(), await account.volume()];
    const attachment = await account.attach(volume, host);
    await expect(account.delete(VOLUME, volume)).rejects.toThrow("VolumeInUse");
    const state = { volumeId: volume, instanceId: host, stopInstanceBeforeDetaching: true };
    await account.delete(ATTACHMENT, attachment, state);
    await account.delete(VOLUME, volume, { finalSnapshot: true });
    expect(account.cloud.story().slice(-4)).toEqual([
      "StopInstances host 1",
      "DetachVolume Volume 1 from host 1",
      "CreateSnapshot Snapshot 1 of Volume 1",
      "DeleteVolume Volume 1",
    ]);
    expect(account.cloud.broken).toEqual([]);
  });

  test.each([
    [{ size: 0 }, "within 1 and 65536"],
    [{ iops: 2999 }, "within 3000 and 80000"],
    [{ throughput: 124 }, "within 125 and 2000"],
    [{ throughput: 5000 }, "within 125 and 2000"],
    [{ iops: 3000, throughput: 751 }, "maximum is 0.25"],
    [{ size: 10, iops: 6000 }, "maximum is 500"],
    [{ volumeInitializationRate: 200 }, "takes a snapshot"],
    [{ kmsKeyId: "none" }, "does not exist"],
    [{ availabilityZone: "us-east-1z" }, "InvalidZone"],
    [{ snapshotId: "snap-none" }, "does not exist"],
  ])("of %o is refused", async (changes, reason) => {
    const account = await Account.open();
    const inputs = { availabilityZone: "us-east-1a", size: 50, type: "gp3", encrypted: true, ...changes };
    await expect(account.create(VOLUME, inputs)).rejects.toThrow(reason);
  });

  test("grows and never shrinks, four times a day", async () => {
    const account = await Account.open({ volumeCooldown: true });
    const volume = await account.volume();
    const inputs = { availabilityZone: "us-east-1a", size: 50, type: "gp3", encrypted: true };
    await expect(account.update(VOLUME, volume, inputs, { ...inputs, size: 49 })).rejects.toThrow("cannot be smaller");
    for (const size of [51, 52, 53, 54]) await account.update(VOLUME, volume, inputs, { ...inputs, size });
    await expect(account.update(VOLUME, volume, inputs, { ...inputs, size: 55 })).rejects.toThrow("ModificationRate");
  });

  test("that is made from a snapshot has the bytes of the snapshot", async () => {
    const account = await Account.open();
    const volume = await account.volume();
    const there = account.cloud.get(VOLUME, volume);
    there.props = { ...there.props, __bytes: "a model" };
    await account.delete(VOLUME, volume, { finalSnapshot: true });
    const [snapshot] = account.cloud.all("aws:ebs/snapshot:Snapshot");
    const copy = await account.volume({ snapshotId: snapshot?.id, volumeInitializationRate: 200 });
    expect(account.cloud.get(VOLUME, copy).props.__bytes).toBe("a model");
    await expect(account.volume({ snapshotId: snapshot?.id, size: 49 })).rejects.toThrow("smaller than its snapshot");
  });

  test("is a new one when its zone, key, encryption or snapshot changes, and no other way", async () => {
    const account = await Account.open();
    const olds = { availabilityZone: "us-east-1a", size: 50, iops: 3000, encrypted: true, tags: {} };
    const news = {
      availabilityZone: "us-east-1b",
      size: 60,
      iops: 4000,
      encrypted: false,
      kmsKeyId: "k",
      snapshotId: "s",
    };
    expect([...account.replaces(VOLUME, olds, { ...news, tags: { a: "b" } })].sort()).toEqual([
      "availabilityZone",
      "encrypted",
      "kmsKeyId",
      "snapshotId",
    ]);
  });
});

describe("a broken rule is recorded when a host", () => {
  test("loses a volume while it runs", async () => {
    const account = await Account.open();
    const [host, volume] = [await account.host(), await account.volume()];
    const attachment = await account.attach(volume, host);
    await account.delete(ATTACHMENT, attachment, { volumeId: volume, instanceId: host });
    expect(account.cloud.broken).toEqual(["Volume 1 detached from a running host (host 1)"]);
  });

  test("is terminated with a volume", async () => {
    const account = await Account.open();
    const [host, volume] = [await account.host(), await account.volume()];
    await account.attach(volume, host);
    await account.delete(INSTANCE, host);
    expect(account.cloud.broken).toEqual(["host 1 terminated while it had Volume 1"]);
  });

  test("or volume is made without encryption or IMDSv2", async () => {
    const account = await Account.open();
    await account.host({ metadataOptions: {}, rootBlockDevice: { volumeSize: 60 } });
    await account.volume({ encrypted: false });
    expect(account.cloud.broken).toHaveLength(3);
  });

  test("leaves its volume's key to be deleted", async () => {
    const account = await Account.open();
    const key = await account.create("aws:kms/key:Key", {});
    await account.volume({ kmsKeyId: key });
    await account.delete("aws:kms/key:Key", key);
    expect(account.cloud.broken).toEqual(["the key of Volume 1 is scheduled for deletion"]);
  });
});

describe("a host is refused", () => {
  test.each([
    [{ instanceType: "g99.xlarge" }, "InvalidInstanceType"],
    [{ ami: "ami-0unknown" }, "InvalidAMIID.NotFound"],
    [{ rootBlockDevice: { encrypted: true, volumeSize: 29 } }, "expect size >= 30GB"],
    [{ userData: "x".repeat(16_385) }, "limited to 16384 bytes"],
    [{ userDataBase64: Buffer.alloc(16_385).toString("base64") }, "limited to 16384 bytes"],
    [{ subnetId: "subnet-none" }, "does not exist"],
    [{ availabilityZone: "us-east-1b" }, "The subnet is in us-east-1a"],
    [{ iamInstanceProfile: "none" }, "does not exist"],
    [{ vpcSecurityGroupIds: ["sg-none"] }, "does not exist"],
  ])("with %o", async (changes, reason) => {
    const account = await Account.open();
    await expect(account.host(changes)).rejects.toThrow(reason);
  });

  test("where its type is not offered", async () => {
    const account = await Account.open();
    const vpcId = account.cloud.all("aws:ec2/vpc:Vpc")[0]?.id;
    const inputs = { vpcId, cidrBlock: "10.0.1.0/24", availabilityZone: "us-east-1e" };
    const subnetId = await account.create("aws:ec2/subnet:Subnet", inputs);
    await expect(account.host({ subnetId })).rejects.toThrow(
      "not supported in your requested Availability Zone (us-east-1e)",
    );
  });

  test("beyond the quota of vCPUs, which is one for each market", async () => {
    const account = await Account.open({ vcpuQuota: 4, spotVcpuQuota: 0 });
    await account.host();
    await expect(account.host()).rejects.toThrow("VcpuLimitExceeded");
    const spot = { instanceMarketOptions: { marketType: "spot" } };
    await expect(account.host(spot)).rejects.toThrow("MaxSpotInstanceCountExceeded");
  });

  test("without capacity, after as many silent minutes as the provider is configured to retry", async () => {
    const account = await Account.open({ noCapacity: ({ type }) => type === "g6.xlarge" });
    await expect(account.host()).rejects.toThrow("InsufficientInstanceCapacity");
    expect(account.cloud.silentSeconds).toBeGreaterThan(3000);
    account.cloud.silentSeconds = 0;
    account.provider.configure("test", { maxRetries: "3" });
    await expect(account.host()).rejects.toThrow("InsufficientInstanceCapacity");
    expect(account.cloud.silentSeconds).toBe(7);
    await account.host({ instanceType: "g5.xlarge" });
  });
});

describe("a host", () => {
  test("changes its type by a stop and a start, and its image by a new one", async () => {
    const account = await Account.open();
    const host = await account.host();
    const olds = { instanceType: "g6.xlarge", ami: "ami-0ca77a28d8801702a", userData: "a" };
    expect(account.replaces(INSTANCE, olds, { ...olds, instanceType: "g5.xlarge" })).toEqual([]);
    expect(account.replaces(INSTANCE, olds, { ...olds, ami: "ami-0ca77a28d8801702b" })).toEqual(["ami"]);
    expect(account.replaces(INSTANCE, olds, { ...olds, userData: "b" })).toEqual([]);
    const replaced = { ...olds, userData: "b", userDataReplaceOnChange: true };
    expect(account.replaces(INSTANCE, { ...olds, userDataReplaceOnChange: true }, replaced)).toEqual(["userData"]);
    await account.update(INSTANCE, host, olds, { ...olds, instanceType: "g5.xlarge" });
    expect(account.cloud.story().slice(-3)).toEqual([
      "StopInstances host 1",
      "ModifyInstanceAttribute host 1",
      "StartInstances host 1",
    ]);
  });

  test("of a one-time spot request can't be stopped", async () => {
    const account = await Account.open();
    const host = await account.host({ instanceMarketOptions: { marketType: "spot" } });
    const attachment = await account.attach(await account.volume(), host);
    const volumeId = account.cloud.all(VOLUME)[0]?.id;
    const state = { volumeId, instanceId: host, stopInstanceBeforeDetaching: true };
    await expect(account.delete(ATTACHMENT, attachment, state)).rejects.toThrow("UnsupportedOperation");
  });
});

describe("the account", () => {
  test("refuses a second one of a name, and the deletion of what another one needs", async () => {
    const account = await Account.open();
    const [vpc] = account.cloud.all("aws:ec2/vpc:Vpc");
    await expect(account.delete("aws:ec2/vpc:Vpc", vpc?.id ?? "")).rejects.toThrow("DependencyViolation");
    const role = { name: "role", assumeRolePolicy: '{"Version":"2012-10-17","Statement":[{}]}' };
    await account.create("aws:iam/role:Role", role);
    await expect(account.create("aws:iam/role:Role", role)).rejects.toThrow("AlreadyExists");
    await account.create("aws:ecr/repository:Repository", { name: "repository" });
    await expect(account.create("aws:ecr/repository:Repository", { name: "repository" })).rejects.toThrow(
      "AlreadyExists",
    );
  });

  test("keeps parameters of 4 KB, with versions, and never overwrites unasked", async () => {
    const account = await Account.open();
    await account.create(PARAMETER, { name: "/a", type: "String", value: "x".repeat(4096) });
    await expect(account.create(PARAMETER, { name: "/a", type: "String", value: "y" })).rejects.toThrow(
      "AlreadyExists",
    );
    await expect(account.create(PARAMETER, { name: "/b", value: "x".repeat(4097) })).rejects.toThrow("4096");
    const after = await account.update(PARAMETER, "/a", { name: "/a", value: "x" }, { name: "/a", value: "y" });
    expect(after.version).toBe(2);
  });

  test("may not find at once what was just made; the provider asks again, an SDK call does not", async () => {
    const account = new Account({ lag: 2 });
    const vpcId = await account.create("aws:ec2/vpc:Vpc", { cidrBlock: "10.0.0.0/16" });
    expect(account.cloud.find("aws:ec2/vpc:Vpc", vpcId)).toBeUndefined();
    await account.create("aws:ec2/subnet:Subnet", { vpcId, cidrBlock: "10.0.0.0/24" });
    expect(account.cloud.story()).toEqual(["CreateVpc Vpc 1", "CreateSubnet Subnet 1"]);
  });

  test("knows the kinds that it was taught, and says so of any other", async () => {
    const account = await Account.open();
    await expect(account.create("aws:kinesis/stream:Stream", {})).rejects.toThrow("has no aws:kinesis/stream:Stream");
    await expect(account.provider.invoke("aws:s3/getBucket:getBucket", {})).rejects.toThrow("has no aws:s3/getBucket");
  });
});
