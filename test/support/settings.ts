import { parseSettings } from "../../infra/config/parse.ts";
import { wordForPulumi } from "../../infra/config/problem.ts";
import type { LocalSettings } from "../../infra/config/settings.ts";
import type { Manifest } from "../../infra/plan/manifest.ts";
import { makePlan, type Plan } from "../../infra/plan/plan.ts";

/** The settings of a stack without config, and with the differences named. */
export function settingsWith(changes: Partial<LocalSettings> = {}): LocalSettings {
  const parsed = parseSettings({});
  if ("problems" in parsed) throw new Error(parsed.problems.map(wordForPulumi).join("\n"));
  if (parsed.settings.target !== "local") throw new Error("the default target is not local");
  return { ...parsed.settings, ...changes };
}

/** A manifest of 10 GB in two files. */
export const manifest: Manifest = {
  schema: 1,
  id: "stabilityai/stable-diffusion-xl-base-1.0",
  aliases: ["sdxl"],
  revision: "0".repeat(40),
  gated: false,
  files: [
    { path: "model_index.json", bytes: 1_000, sha256: "a".repeat(64) },
    { path: "unet/weights.safetensors", bytes: 9_999_999_000, sha256: "b".repeat(64) },
  ],
};

export function planWith(changes: Partial<LocalSettings> = {}, hasGpu = false): Plan {
  return makePlan(settingsWith(changes), manifest, { hasGpu });
}

/** What a stack without config says of the service, on every target. */
export const SERVICE_DEFAULTS = {
  gpu: "auto",
  hubEndpoint: null,
  apiKey: null,
  apiKeysFile: null,
  allowedHosts: null,
  corsOrigins: null,
  dtype: "auto",
  compile: false,
  loras: null,
  engineOptions: "auto",
  safetyChecker: null,
  verify: null,
  queueLimit: 8,
  requestTimeoutSeconds: 600,
  logFormat: "text",
  maxSize: 1536,
  maxImages: 10,
  engines: "auto",
  jobs: "disk",
  jobsKeepSeconds: 86_400,
  jobsLimit: 1000,
  jobsMaxMb: 1000,
  usdPerHour: null,
  pictureUrlSeconds: 0,
  warmupSize: null,
  modelMirror: null,
  offline: false,
  downloadTimeoutSeconds: 10,
  httpProxy: null,
  httpsProxy: null,
  noProxy: null,
  caFile: null,
  environment: {},
  secretKeys: [],
} as const;
