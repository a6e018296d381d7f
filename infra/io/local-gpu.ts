import { existsSync } from "node:fs";
import type { Machine } from "../plan/plan.ts";

/** Files that a loaded NVIDIA driver makes: on Linux, and in WSL. */
const GPU_MARKS = ["/proc/driver/nvidia/version", "/dev/dxg"];

/** What this machine has. `exists` is there for tests. */
export function readMachine(exists: (path: string) => boolean = existsSync): Machine {
  return { hasGpu: GPU_MARKS.some(exists) };
}
