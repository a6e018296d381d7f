import { existsSync } from "node:fs";
import type { LocalGpu } from "../plan/plan.ts";

/** Files that a loaded NVIDIA driver makes: on Linux, and in WSL. */
const GPU_MARKS = ["/proc/driver/nvidia/version", "/dev/dxg"];

/** `exists` is there for tests. */
export function detectGpu(exists: (path: string) => boolean = existsSync): LocalGpu {
  return { hasGpu: GPU_MARKS.some(exists) };
}
