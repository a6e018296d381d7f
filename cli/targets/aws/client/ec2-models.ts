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

export interface EbsVolume extends VolumeInfo {
  readonly attachedTo: string | null;
  /** The snapshot that it was made from. */
  readonly madeFrom: string | null;
}

export type Snapshot = Readonly<ReturnType<typeof toSnapshot>>;

/** The properties of an instance type that a host is chosen by. */
export type InstanceTypeSpecs = Readonly<ReturnType<typeof toInstanceTypeSpecs>>;

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

export function toVolume(volume: RawVolume): EbsVolume {
  return {
    id: volume.VolumeId ?? "",
    state: volume.State ?? "unknown",
    zone: volume.AvailabilityZone ?? "",
    sizeGb: volume.Size ?? 0,
    attachedTo: volume.Attachments?.find(({ State }) => State !== "detached")?.InstanceId ?? null,
    madeFrom: volume.SnapshotId || null,
  };
}

export function toSnapshot(snapshot: RawSnapshot) {
  return {
    id: snapshot.SnapshotId ?? "",
    volumeId: snapshot.VolumeId ?? "",
    state: snapshot.State ?? "pending",
    /** 0 to 1. */
    progress: (Number.parseInt(snapshot.Progress ?? "", 10) || 0) / 100,
    startedAt: snapshot.StartTime?.toISOString() ?? "",
    /** What was ever written to the volume; null: AWS does not tell. */
    fullBytes: snapshot.FullSnapshotSizeInBytes ?? null,
  };
}

export function toInstanceTypeSpecs(info: InstanceTypeInfo) {
  const ebs = info.EbsInfo?.EbsOptimizedInfo;
  return {
    type: info.InstanceType ?? "",
    vcpus: info.VCpuInfo?.DefaultVCpus ?? 0,
    gpuMemoryMib: info.GpuInfo?.TotalGpuMemoryInMiB ?? 0,
    ebsBaselineMbps: ebs?.BaselineThroughputInMBps ?? 0,
    ebsMaximumMbps: ebs?.MaximumThroughputInMBps ?? 0,
  };
}
