import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { KEYS } from "../infra/config/schema.ts";
import type { Paths } from "./paths.ts";

/** The model of a stack that names none. */
export const DEFAULT_MODEL = KEYS.modelId.default;
export const DEMO_MODEL = "demo";

export interface ModelChoice {
  readonly id: string;
  readonly why: "asked" | "config" | "no-gpu" | "default";
  /** What to tell the user about the choice; undefined when he made it. */
  readonly note?: string;
}

/** Which model to serve: the one asked for, else the one in config, else the demo model where there is no GPU. */
export function chooseModel(facts: {
  asked?: string | undefined;
  configured?: string | undefined;
  gpu: boolean;
}): ModelChoice {
  if (facts.asked) return { id: facts.asked, why: "asked" };
  if (facts.configured) return { id: facts.configured, why: "config" };
  if (facts.gpu) return { id: DEFAULT_MODEL, why: "default" };
  const note = `No NVIDIA GPU here: serving the small demo model (random weights). For real pictures: --model ${DEFAULT_MODEL}`;
  return { id: DEMO_MODEL, why: "no-gpu", note };
}

/** True when this machine has an NVIDIA driver; asking it for its GPUs is doctor's business. */
export function hasGpu(env: NodeJS.ProcessEnv = process.env): boolean {
  if (existsSync("/proc/driver/nvidia/version")) return true;
  const names = process.platform === "win32" ? ["nvidia-smi.exe"] : ["nvidia-smi"];
  const folders = (env.PATH ?? "").split(process.platform === "win32" ? ";" : ":");
  return folders.some((folder) => folder !== "" && names.some((name) => existsSync(join(folder, name))));
}

interface Manifest {
  readonly id: string;
  readonly aliases?: readonly string[];
  readonly files: readonly { readonly bytes: number }[];
}

/** The bytes of a model's needed files by its manifest; undefined for one that has none in this checkout. */
export function modelBytes(paths: Paths, id: string): number | undefined {
  if (!existsSync(paths.manifests)) return undefined;
  for (const name of readdirSync(paths.manifests).filter((file) => file.endsWith(".json"))) {
    const manifest = JSON.parse(readFileSync(join(paths.manifests, name), "utf8")) as Manifest;
    if (manifest.id === id || manifest.aliases?.includes(id)) {
      return manifest.files.reduce((sum, file) => sum + file.bytes, 0);
    }
  }
  return undefined;
}
