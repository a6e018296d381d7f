import type { ModelCache } from "../config/settings.ts";
import { bytesToFetch, type ModelSize } from "./manifest.ts";

/** What the estimates are made from; printed with them. */
export const RATES = {
  /** A usual home or office line. */
  downloadBytesPerSecond: 10e6,
  /** A line so slow that waiting longer makes no sense. */
  slowestBytesPerSecond: 5e6,
  /** Reading weights from an SSD and hashing them. */
  readBytesPerSecond: 500e6,
  /** Importing torch and diffusers, which runs beside reading the files. */
  importSeconds: 15,
  /** First picture on a GPU, and on a CPU (small). */
  gpuWarmUpSeconds: 10,
  cpuWarmUpSeconds: 45,
} as const;

/** How long each kind of start takes, in seconds, at `RATES`. */
export interface StartupEstimate {
  readonly modelBytes: number;
  readonly modelBytesSource: ModelSize["source"];
  /** Of its LoRAs, assumed. */
  readonly loraBytes: number;
  /** What the service itself fetches at a first start; nothing when the model is in the image. */
  readonly bytesToFetch: number;
  /** Empty volume. */
  readonly firstSeconds: number;
  /** Model in the volume. */
  readonly cachedSeconds: number;
  /** Model in the image. */
  readonly bakedSeconds: number;
}

export function estimateStartup(modelCache: ModelCache, size: ModelSize, gpu: boolean): StartupEstimate {
  const loadSeconds = loadingSeconds(size.bytes, gpu);
  const fetched = bytesToFetch(size);
  return {
    modelBytes: size.bytes,
    modelBytesSource: size.source,
    loraBytes: size.loraBytes,
    bytesToFetch: modelCache === "baked" ? 0 : fetched,
    firstSeconds: Math.round(fetched / RATES.downloadBytesPerSecond + loadSeconds),
    cachedSeconds: Math.round(loadSeconds),
    bakedSeconds: Math.round(loadSeconds),
  };
}

/** From complete files to a first picture. Imports and reading run side by side, so the longer one counts. */
function loadingSeconds(bytes: number, gpu: boolean): number {
  const warmUp = gpu ? RATES.gpuWarmUpSeconds : RATES.cpuWarmUpSeconds;
  return Math.max(RATES.importSeconds, bytes / RATES.readBytesPerSecond) + warmUp;
}
