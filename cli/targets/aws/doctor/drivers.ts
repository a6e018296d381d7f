import { existsSync, readFileSync } from "node:fs";

/** The NVIDIA driver's major version in each image of the operating system that a host may use, as last seen. */
const DRIVERS: Readonly<Record<string, { readonly major: number; readonly seen: string }>> = {
  "ecs-gpu-al2023": { major: 580, seen: "August 2026" },
  "dlami-ubuntu-24.04": { major: 595, seen: "October 2026" },
};

/** The oldest driver that runs a CUDA of this major version (NVIDIA's minor version compatibility). */
const OLDEST: Readonly<Record<string, number>> = { "11": 450, "12": 525, "13": 580 };

/** CUDA's version among the packages that the image is built from; null when there is none. */
export function cudaOf(lockFile: string): string | null {
  if (!existsSync(lockFile)) return null;
  return cudaIn(readFileSync(lockFile, "utf8"));
}

export function cudaIn(lock: string): string | null {
  return /^nvidia-cuda-runtime(?:-cu\d+)?==(\d+\.\d+)/m.exec(lock)?.[1] ?? null;
}

/** An AMI's driver, when it was last seen, and the oldest that the image's CUDA runs on; null when either is unknown. */
export function driverFor(ami: string, cuda: string | null) {
  const driver = DRIVERS[ami];
  const needed = OLDEST[cuda?.split(".")[0] ?? ""];
  if (!driver || needed === undefined) return null;
  return { fits: driver.major >= needed, driver: driver.major, needed, seen: driver.seen };
}

/** AMIs of the table whose driver is new enough. */
export function amisFor(cuda: string | null): string[] {
  return Object.keys(DRIVERS).filter((ami) => driverFor(ami, cuda)?.fits);
}
