import type { AwsSettings } from "../../infra/config/aws/settings.ts";
import type { FleetSettings } from "../../infra/config/fleet/settings.ts";
import type { LocalSettings } from "../../infra/config/settings.ts";
import { DEFAULT_MODEL_ID, DEMO_MODEL } from "../../infra/contract.ts";
import { detectGpu } from "../../infra/io/local-gpu.ts";
import { type AwsPlan, type CostForecast, makeAwsPlan } from "../../infra/plan/aws/plan.ts";
import { type FleetPlan, type LoadForecast, makeFleetPlan } from "../../infra/plan/fleet/plan.ts";
import { makePlan, type Plan } from "../../infra/plan/plan.ts";
import type { StartupFacts } from "../../infra/plan/startup.ts";
import type { Paths } from "../core/paths.ts";

export interface ModelChoice {
  readonly id: string;
  readonly why: "config" | "no-gpu" | "default";
  /** Explains a choice that the user did not make. */
  readonly note?: string;
}

/** Which model to serve: the one in config, else the demo model where there is no GPU. */
export function chooseModel(facts: {
  configured?: string | undefined;
  gpu: boolean;
  /** Apple silicon, whose GPU a process has and a container has not. */
  appleGpu?: boolean;
}): ModelChoice {
  if (facts.configured) return { id: facts.configured, why: "config" };
  if (facts.gpu) return { id: DEFAULT_MODEL_ID, why: "default" };
  const why = facts.appleGpu ? "Docker has no access to this Mac's GPU, and a process has (MPS)" : "No NVIDIA GPU here";
  const real = `${facts.appleGpu ? "--mode process " : ""}--model ${DEFAULT_MODEL_ID}`;
  const note = `${why}: serving the small demo model (random weights). For real pictures: ${real}`;
  return { id: DEMO_MODEL, why: "no-gpu", note };
}

/** Like `planOf`, for a stack in AWS. */
export async function awsPlanOf(
  paths: Paths,
  settings: AwsSettings,
  stack: string,
  forecast: CostForecast = {},
): Promise<AwsPlan> {
  const { readManifest } = await import("../../infra/io/manifests.ts");
  return makeAwsPlan(settings, readManifest(settings.modelId, paths.manifests), stack, forecast);
}

/** Like `planOf`, for a fleet. */
export async function fleetPlanOf(
  paths: Paths,
  settings: FleetSettings,
  stack: string,
  forecast: LoadForecast = {},
): Promise<FleetPlan> {
  const { readManifest } = await import("../../infra/io/manifests.ts");
  return makeFleetPlan(settings, readManifest(settings.modelId, paths.manifests), stack, forecast);
}

/** What the program will decide for these settings: sizes, times, names, the address. */
export async function planOf(
  paths: Paths,
  settings: LocalSettings,
  measured: Omit<StartupFacts, "gpu"> = {},
): Promise<Plan> {
  // Loaded here because it brings Pulumi's SDK, which takes half a second.
  const { readManifest } = await import("../../infra/io/manifests.ts");
  return makePlan(settings, readManifest(settings.modelId, paths.manifests), detectGpu(), measured);
}
