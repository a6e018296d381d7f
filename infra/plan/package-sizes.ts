import { RATES } from "./startup.ts";

/** `image-gen/requirements.sizes.json`, which `npm run lock-sizes` writes: bytes of the lock's wheels. */
export interface PackageSizes {
  /** sha256 of the lock that the sizes are of. */
  readonly lock: string;
  /** By Node's names of platform and architecture; absent for one that the lock has no wheels for. */
  readonly platforms: Readonly<Record<string, PlatformSizes>>;
}

export interface PlatformSizes {
  /** All packages of the lock, which a machine that has none of them downloads. */
  readonly all: number;
  /** Those of them that a CPU build of torch takes the place of. */
  readonly cuda: number;
}

/** The packages that a CPU build of torch takes the place of: what `install-packages` leaves out. */
export const CUDA_PACKAGES = /^(?:torch|triton|nvidia-[a-z0-9-]*|cuda-[a-z0-9-]*)$/;

/** Seconds on a usual line. */
export function estimateDownload(bytes: number): number {
  return Math.round(bytes / RATES.downloadBytesPerSecond);
}
