import type {
  _InstanceType,
  DescribeInstancesCommandOutput,
  Instance,
  InstanceTypeOffering,
} from "@aws-sdk/client-ec2";
import { type PurchaseOption, type VcpuQuota, vcpuQuota } from "../../../../infra/contract.ts";
import { type AwsClientConfig, sdkOptions } from "./client-config.ts";
import {
  type EbsVolume,
  type Host,
  type InstanceTypeSpecs,
  marketOf,
  type Snapshot,
  toHost,
  toInstanceTypeSpecs,
  toSnapshot,
  toVolume,
} from "./ec2-models.ts";
import { hasAwsErrorName } from "./errors.ts";

type Tags = Readonly<Record<string, string>>;

/** EC2, as far as a stack's host and volume need it. Errors are the SDK's own. */
export async function openEc2(config: AwsClientConfig) {
  // Loaded here because it takes half a second, which only the commands that need it should pay.
  const sdk = await import("@aws-sdk/client-ec2");
  const client = new sdk.EC2Client(sdkOptions(config));
  const filters = (tags: Tags) =>
    Object.entries(tags).map(([name, value]) => ({ Name: `tag:${name}`, Values: [value] }));

  return {
    /** Undefined when the instance does not exist (any more). */
    async host(id: string): Promise<Host | undefined> {
      const answer = await unlessUnknown(() => client.send(new sdk.DescribeInstancesCommand({ InstanceIds: [id] })));
      const found = answer && instancesIn(answer)[0];
      return found && toHost(found);
    },

    /** The instances with these tags that are not terminated, the latest start first. */
    async hostsTagged(tags: Tags): Promise<Host[]> {
      const alive = { Name: "instance-state-name", Values: ["pending", "running", "stopping", "stopped"] };
      const answer = await client.send(new sdk.DescribeInstancesCommand({ Filters: [...filters(tags), alive] }));
      return instancesIn(answer)
        .map(toHost)
        .sort((a, b) => b.launchedAt.localeCompare(a.launchedAt));
    },

    /** All instances with these tags that EC2 still lists: a terminated one stays there for about an hour. */
    async hostsEver(tags: Tags): Promise<Host[]> {
      return instancesIn(await client.send(new sdk.DescribeInstancesCommand({ Filters: filters(tags) }))).map(toHost);
    },

    /** What the instance wrote to its console so far; empty when EC2 has nothing of it. */
    async console(id: string): Promise<string> {
      const answer = await unlessUnknown(() =>
        // The newest there is: without this, EC2 answers what it took at the last start or stop.
        client.send(new sdk.GetConsoleOutputCommand({ InstanceId: id, Latest: true })),
      );
      return Buffer.from(answer?.Output ?? "", "base64").toString();
    },

    async stop(id: string): Promise<void> {
      await client.send(new sdk.StopInstancesCommand({ InstanceIds: [id] }));
    },

    async start(id: string): Promise<void> {
      await client.send(new sdk.StartInstancesCommand({ InstanceIds: [id] }));
    },

    async volume(id: string): Promise<EbsVolume | undefined> {
      const answer = await unlessUnknown(() => client.send(new sdk.DescribeVolumesCommand({ VolumeIds: [id] })));
      const found = answer?.Volumes?.[0];
      return found && toVolume(found);
    },

    async snapshot(id: string): Promise<Snapshot | undefined> {
      const answer = await unlessUnknown(() => client.send(new sdk.DescribeSnapshotsCommand({ SnapshotIds: [id] })));
      const found = answer?.Snapshots?.[0];
      return found && toSnapshot(found);
    },

    /** The account's own snapshots with these tags, the latest first. */
    async snapshotsTagged(tags: Tags): Promise<Snapshot[]> {
      const answer = await client.send(
        new sdk.DescribeSnapshotsCommand({ OwnerIds: ["self"], Filters: filters(tags) }),
      );
      return (answer.Snapshots ?? []).map(toSnapshot).sort((a, b) => b.startedAt.localeCompare(a.startedAt));
    },

    async createSnapshot(volumeId: string, description: string, tags: Tags): Promise<Snapshot> {
      const list = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
      const TagSpecifications = [{ ResourceType: "snapshot" as const, Tags: list }];
      const input = { VolumeId: volumeId, Description: description, TagSpecifications };
      return toSnapshot(await client.send(new sdk.CreateSnapshotCommand(input)));
    },

    async deleteSnapshot(id: string): Promise<void> {
      await client.send(new sdk.DeleteSnapshotCommand({ SnapshotId: id }));
    },

    /** The properties of each type; unknown names are left out. */
    async types(names: readonly string[]): Promise<InstanceTypeSpecs[]> {
      const look = (some: readonly string[]) =>
        unlessUnknown(() =>
          client.send(new sdk.DescribeInstanceTypesCommand({ InstanceTypes: some as _InstanceType[] })),
        );
      // One unknown name makes the request for a whole list fail.
      const answers = await Promise.all(names.map((name) => look([name])));
      return answers.flatMap((answer) => answer?.InstanceTypes ?? []).map(toInstanceTypeSpecs);
    },

    /** The zones of the region that offer each type. */
    async offerings(names: readonly string[]): Promise<Readonly<Record<string, readonly string[]>>> {
      const all: InstanceTypeOffering[] = [];
      const pages = sdk.paginateDescribeInstanceTypeOfferings(
        { client },
        { LocationType: "availability-zone", Filters: [{ Name: "instance-type", Values: [...names] }] },
      );
      for await (const { InstanceTypeOfferings = [] } of pages) all.push(...InstanceTypeOfferings);
      return Object.fromEntries(
        names.map((name) => [
          name,
          all.flatMap(({ InstanceType, Location }) => (InstanceType === name && Location ? [Location] : [])).sort(),
        ]),
      );
    },

    /** The region's ordinary zones, which the program chooses from. */
    async zones(): Promise<string[]> {
      const answer = await client.send(
        new sdk.DescribeAvailabilityZonesCommand({
          Filters: [
            { Name: "opt-in-status", Values: ["opt-in-not-required"] },
            { Name: "state", Values: ["available"] },
          ],
        }),
      );
      return (answer.AvailabilityZones ?? []).flatMap(({ ZoneName }) => ZoneName ?? []).sort();
    },

    /** Undefined when there is no such subnet. */
    async subnetZone(id: string): Promise<string | undefined> {
      const answer = await unlessUnknown(() => client.send(new sdk.DescribeSubnetsCommand({ SubnetIds: [id] })));
      return answer?.Subnets?.[0]?.AvailabilityZone;
    },

    /** The running vCPUs of one market that the quota counts. */
    async vcpusInUse({ code }: VcpuQuota, market: PurchaseOption): Promise<number> {
      const running = [{ Name: "instance-state-name", Values: ["pending", "running"] }];
      let used = 0;
      for await (const page of sdk.paginateDescribeInstances({ client }, { Filters: running })) {
        for (const instance of instancesIn(page)) {
          const quota = vcpuQuota(instance.InstanceType ?? "", market);
          if (quota?.code !== code || marketOf(instance) !== market) continue;
          used += (instance.CpuOptions?.CoreCount ?? 0) * (instance.CpuOptions?.ThreadsPerCore ?? 1);
        }
      }
      return used;
    },
  };
}

export type Ec2 = Awaited<ReturnType<typeof openEc2>>;

function instancesIn({ Reservations = [] }: DescribeInstancesCommandOutput): Instance[] {
  return Reservations.flatMap(({ Instances = [] }) => Instances);
}

/** Undefined instead of an error for an unknown id or name. */
async function unlessUnknown<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    const unknown = ["InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed", "InvalidVolume.NotFound"];
    if (
      hasAwsErrorName(error, ...unknown, "InvalidSnapshot.NotFound", "InvalidInstanceType", "InvalidSubnetID.NotFound")
    )
      return undefined;
    throw error;
  }
}
