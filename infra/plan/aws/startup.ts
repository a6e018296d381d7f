import type { ModelCache } from "../../config/settings.ts";
import { formatBytes } from "../../units.ts";
import { bytesToFetch, type ModelSize } from "../manifest.ts";
import { BUILD_BYTES } from "../room.ts";
import { RATES, type StartupEstimate } from "../startup.ts";
import { INSTANCE_STORE_GB, type InstanceType } from "./instance-types.ts";
import type { DataVolumePlan } from "./volume.ts";

/** What the estimates on AWS are made from; printed with them. None was measured on AWS. */
export const AWS_RATES = {
  /** From the hub to a host in a region. */
  downloadBytesPerSecond: 100e6,
  /** So slow that waiting longer makes no sense. */
  slowestBytesPerSecond: 10e6,
  /** From a bucket in the region, by four connections: less than the network of an `xlarge` sustains, 2.5 Gbit/s. */
  mirrorBytesPerSecond: 300e6,
  pullBytesPerSecond: 80e6,
  slowestPullBytesPerSecond: 20e6,
  /** Instance start to a running container, without pull: measured scripts, assumed boot. */
  bootSeconds: 60,
} as const;

export interface AwsStartupEstimate extends StartupEstimate {
  readonly imageBytes: number;
  readonly pullSeconds: number;
  /** MB/s at which the model is read: the slower of volume and instance. */
  readonly readMbps: number;
  /** Whether the instance sustains that, or only for half an hour a day. */
  readonly burst: boolean;
}

/** A start of the service on a host that runs and has the image, with the model in no page cache. */
interface ModelRead {
  readonly mbps: number;
  /** Until the first picture. */
  readonly seconds: number;
  readonly formula: string;
}

/** What a copy of the model on the host's own NVMe disk (`instanceStoreCache`) changes. */
export interface InstanceStoreEstimate {
  readonly enabled: boolean;
  /** From the volume, at what EBS sustains for the instance, and at what it reaches for half an hour a day. */
  readonly volumeBaseline: ModelRead;
  readonly volumeBurst: ModelRead;
  /** While an empty copy is filled from the mirror. */
  readonly mirror: ModelRead;
  /** The same from the Hub: no start does it, as the volume has the model. */
  readonly hub: ModelRead;
  /** From a copy that is there: after a reboot, as a stop of the host empties the disk. */
  readonly copy: ModelRead;
  /** Seconds that a start is sooner with a copy than from the volume: filled from the mirror where there is one, else after a reboot. */
  readonly gainAtBaselineSeconds: number;
  readonly gainAtBurstSeconds: number;
}

/** Unpacked: a registry has less, as it keeps layers compressed. */
export function imageBytes(modelCache: ModelCache, model: Pick<ModelSize, "bytes" | "loraBytes">): number {
  return BUILD_BYTES.image + (modelCache === "baked" ? model.bytes + model.loraBytes : 0);
}

export function estimateAwsStartup(
  modelCache: ModelCache,
  model: ModelSize,
  volume: DataVolumePlan,
  type: InstanceType | null,
): AwsStartupEstimate {
  const volumeMbps = (volume.throughputMib * 2 ** 20) / 1e6;
  const readMbps = Math.min(volumeMbps, type?.ebsMaximumMbps ?? volumeMbps);
  const pull = (bytes: number) => Math.round(bytes / AWS_RATES.pullBytesPerSecond);
  const bytes = imageBytes(modelCache, model);
  const fetched = bytesToFetch(model);
  const load = Math.max(RATES.importSeconds, model.bytes / (readMbps * 1e6)) + RATES.gpuWarmUpSeconds;
  const host = AWS_RATES.bootSeconds + pull(BUILD_BYTES.image);
  return {
    modelBytes: model.bytes,
    modelBytesSource: model.source,
    loraBytes: model.loraBytes,
    bytesToFetch: modelCache === "baked" ? 0 : fetched,
    firstSeconds: Math.round(host + fetched / AWS_RATES.downloadBytesPerSecond + load),
    cachedSeconds: Math.round(host + load),
    bakedSeconds: Math.round(AWS_RATES.bootSeconds + pull(BUILD_BYTES.image + model.bytes + model.loraBytes) + load),
    imageBytes: bytes,
    pullSeconds: pull(bytes),
    readMbps: Math.round(readMbps),
    burst: type !== null && readMbps > type.ebsBaselineMbps,
  };
}

/** Null: what the instance type has is not known. */
export function estimateInstanceStore(
  { modelBytes, readMbps }: Pick<AwsStartupEstimate, "modelBytes" | "readMbps">,
  { instanceType, type, enabled, hasMirror }: InstanceStoreFacts,
): InstanceStoreEstimate | null {
  if (type === null || INSTANCE_STORE_GB[instanceType] === undefined) return null;
  const at = (bytesPerSecond: number) => modelRead(modelBytes, bytesPerSecond);
  const volumeBaseline = at(Math.min(readMbps, type.ebsBaselineMbps) * 1e6);
  const volumeBurst = at(readMbps * 1e6);
  const mirror = at(AWS_RATES.mirrorBytesPerSecond);
  // An SSD, as on any machine: AWS publishes no rate of the disks.
  const copy = at(RATES.readBytesPerSecond);
  const usual = hasMirror ? mirror : copy;
  return {
    enabled,
    volumeBaseline,
    volumeBurst,
    mirror,
    hub: at(AWS_RATES.downloadBytesPerSecond),
    copy,
    gainAtBaselineSeconds: volumeBaseline.seconds - usual.seconds,
    gainAtBurstSeconds: volumeBurst.seconds - usual.seconds,
  };
}

interface InstanceStoreFacts {
  readonly instanceType: string;
  readonly type: InstanceType | null;
  readonly enabled: boolean;
  readonly hasMirror: boolean;
}

function modelRead(bytes: number, bytesPerSecond: number): ModelRead {
  const mbps = Math.round(bytesPerSecond / 1e6);
  const { importSeconds, gpuWarmUpSeconds } = RATES;
  return {
    mbps,
    seconds: Math.round(Math.max(importSeconds, bytes / bytesPerSecond) + gpuWarmUpSeconds),
    formula: `the longer of ${importSeconds} s and ${formatBytes(bytes)} / ${mbps} MB/s, + ${gpuWarmUpSeconds} s`,
  };
}
