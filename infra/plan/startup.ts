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

/** That of a stack on this machine. */
export interface LocalStartupEstimate extends StartupEstimate {
  /** Model in the volume, its files in the page cache: a restart. */
  readonly warmSeconds: number;
  /** The share of the first picture in each of these. */
  readonly warmUpSeconds: number;
  readonly downloadBytesPerSecond: number;
  /** What the estimate is made from; null: `RATES`. */
  readonly machine: MachineRates | null;
}

/** How fast a machine is at what a start does, as `image-gen measure` measures it. Bytes are those of files in half precision. */
export interface MachineRates {
  /** ISO time of the measurement. */
  readonly at: string;
  readonly cores: number;
  readonly importSeconds: number;
  /** Null where the page cache can't be left out. */
  readonly readBytesPerSecond: number | null;
  /** Of one core. */
  readonly blake3BytesPerSecond: number;
  readonly sha256BytesPerSecond: number;
  /** From files to weights on the device. */
  readonly loadBytesPerSecond: number;
  /** Weights that a pass of the denoiser for the warm-up's picture uses. */
  readonly passBytesPerSecond: number;
  /** Weights that a text encoder uses for one prompt. */
  readonly promptBytesPerSecond: number;
}

export interface StartupFacts {
  readonly gpu: boolean;
  /** Null: not measured. */
  readonly machine?: MachineRates | null;
  readonly downloadBytesPerSecond?: number;
}

/** Steps of the warm-up's picture. It has one prompt: for the negative one, SDXL takes zeros. */
const WARM_UP_STEPS = 2;

export function estimateStartup(modelCache: ModelCache, size: ModelSize, facts: StartupFacts): LocalStartupEstimate {
  const { gpu, machine = null, downloadBytesPerSecond = RATES.downloadBytesPerSecond } = facts;
  const fetched = bytesToFetch(size);
  const fetchSeconds = fetched / downloadBytesPerSecond;
  const { first, cached, warm, baked, warmUp } = machine
    ? measuredSeconds(machine, size, fetchSeconds)
    : assumedSeconds(size, gpu, fetchSeconds);
  return {
    modelBytes: size.bytes,
    modelBytesSource: size.source,
    loraBytes: size.loraBytes,
    bytesToFetch: modelCache === "baked" ? 0 : fetched,
    firstSeconds: Math.round(first + warmUp),
    cachedSeconds: Math.round(cached + warmUp),
    warmSeconds: Math.round(warm + warmUp),
    bakedSeconds: Math.round(baked + warmUp),
    warmUpSeconds: Math.round(warmUp),
    downloadBytesPerSecond,
    machine,
  };
}

/** Seconds until all weights are on the device, by kind of start, and those of the first picture. */
interface LoadingSeconds {
  readonly first: number;
  readonly cached: number;
  readonly warm: number;
  readonly baked: number;
  readonly warmUp: number;
}

/** Imports and reading run side by side, so the longer one counts. */
function assumedSeconds({ bytes }: ModelSize, gpu: boolean, fetchSeconds: number): LoadingSeconds {
  const loaded = Math.max(RATES.importSeconds, bytes / RATES.readBytesPerSecond);
  return {
    first: fetchSeconds + loaded,
    cached: loaded,
    warm: RATES.importSeconds,
    baked: loaded,
    warmUp: gpu ? RATES.gpuWarmUpSeconds : RATES.cpuWarmUpSeconds,
  };
}

/**
 * A start imports, reads and hashes side by side, a file on a core of its own; what ends last counts. Then come the weights. A first start has
 * loaded all but the largest file by the time that arrives. A cached model is compared by BLAKE3, a baked one by sha256.
 */
function measuredSeconds(machine: MachineRates, size: ModelSize, fetchSeconds: number): LoadingSeconds {
  const { bytes, largestBytes = bytes } = size;
  const { cores, importSeconds, loadBytesPerSecond } = machine;
  const diskSeconds = machine.readBytesPerSecond === null ? 0 : bytes / machine.readBytesPerSecond;
  const verified = (readSeconds: number, hashBytesPerSecond: number) =>
    Math.max(
      importSeconds,
      readSeconds,
      largestBytes / hashBytesPerSecond,
      (importSeconds + bytes / hashBytesPerSecond) / cores,
    );
  const load = bytes / loadBytesPerSecond;
  return {
    first: verified(fetchSeconds, machine.sha256BytesPerSecond) + largestBytes / loadBytesPerSecond,
    cached: verified(diskSeconds, machine.blake3BytesPerSecond) + load,
    warm: verified(0, machine.blake3BytesPerSecond) + load,
    baked: verified(diskSeconds, machine.sha256BytesPerSecond) + load,
    // The largest file is the denoiser, and nearly all others are text encoders.
    warmUp:
      (WARM_UP_STEPS * largestBytes) / machine.passBytesPerSecond +
      (bytes - largestBytes) / machine.promptBytesPerSecond,
  };
}
