import type { Instance, InstanceTypeInfo, Snapshot as RawSnapshot, Volume as RawVolume } from "@aws-sdk/client-ec2";
import type { HostInfo, VolumeInfo } from "../../target.ts";

/** An EC2 instance. */
export interface Host extends HostInfo {
  readonly ami: string;
  /** ISO time of the last start. */
  readonly launchedAt: string;
  /** Why it is in its state: "User initiated (2026-11-22 19:20:09 GMT)". */
  readonly reason: string;
}

export interface DataVolume extends VolumeInfo {
  readonly attachedTo: string | null;
  /** The snapshot that it was made from. */
  readonly madeFrom: string | null;
}

export interface Snapshot {
  readonly id: string;
  readonly volumeId: string;
  readonly state: string;
  /** 0 to 1. */
  readonly progress: number;
  readonly startedAt: string;
  readonly tags: Readonly<Record<string, string>>;
}

/** The properties of an instance type that a host is chosen by. */
export interface InstanceTypeSpecs {
  readonly type: string;
  readonly vcpus: number;
  readonly gpuMemoryMib: number;
  readonly ebsBaselineMbps: number;
  readonly ebsMaximumMbps: number;
  readonly markets: readonly string[];
}

export function marketOf({ InstanceLifecycle }: Instance): Host["market"] {
  return InstanceLifecycle === "spot" ? "spot" : "on-demand";
}

export function toHost(instance: Instance): Host {
  return {
    id: instance.InstanceId ?? "",
    type: instance.InstanceType ?? "",
    state: instance.State?.Name ?? "unknown",
    market: marketOf(instance),
    zone: instance.Placement?.AvailabilityZone ?? "",
    ami: instance.ImageId ?? "",
    launchedAt: instance.LaunchTime?.toISOString() ?? "",
    reason: instance.StateTransitionReason ?? "",
  };
}

export function toDataVolume(volume: RawVolume): DataVolume {
  return {
    id: volume.VolumeId ?? "",
    state: volume.State ?? "unknown",
    zone: volume.AvailabilityZone ?? "",
    sizeGb: volume.Size ?? 0,
    attachedTo: volume.Attachments?.find(({ State }) => State !== "detached")?.InstanceId ?? null,
    madeFrom: volume.SnapshotId || null,
  };
}

export function toSnapshot(snapshot: RawSnapshot): Snapshot {
  const percent = Number.parseInt(snapshot.Progress ?? "0", 10);
  return {
    id: snapshot.SnapshotId ?? "",
    volumeId: snapshot.VolumeId ?? "",
    state: snapshot.State ?? "pending",
    progress: (Number.isNaN(percent) ? 0 : percent) / 100,
    startedAt: snapshot.StartTime?.toISOString() ?? "",
    tags: Object.fromEntries((snapshot.Tags ?? []).map(({ Key, Value }) => [Key ?? "", Value ?? ""])),
  };
}

export function toInstanceTypeSpecs(info: InstanceTypeInfo): InstanceTypeSpecs {
  const ebs = info.EbsInfo?.EbsOptimizedInfo;
  return {
    type: info.InstanceType ?? "",
    vcpus: info.VCpuInfo?.DefaultVCpus ?? 0,
    gpuMemoryMib: info.GpuInfo?.TotalGpuMemoryInMiB ?? 0,
    ebsBaselineMbps: ebs?.BaselineThroughputInMBps ?? 0,
    ebsMaximumMbps: ebs?.MaximumThroughputInMBps ?? 0,
    markets: info.SupportedUsageClasses ?? [],
  };
}
