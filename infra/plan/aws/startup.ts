import type { ModelCache } from "../../config/settings.ts";
import { bytesToFetch, type ModelSize } from "../manifest.ts";
import { BUILD_BYTES } from "../room.ts";
import { RATES, type StartupEstimate } from "../startup.ts";
import type { InstanceType } from "./instance-types.ts";
import type { DataVolumePlan } from "./volume.ts";

/** What the estimates on AWS are made from; printed with them. None was measured on AWS. */
export const AWS_RATES = {
  /** From the hub to a host in a region. */
  downloadBytesPerSecond: 100e6,
  /** So slow that waiting longer makes no sense. */
  slowestBytesPerSecond: 10e6,
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
