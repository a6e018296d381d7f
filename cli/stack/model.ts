import type { AwsSettings } from "../../infra/config/aws/settings.ts";
import { KEYS } from "../../infra/config/schema.ts";
import type { LocalSettings } from "../../infra/config/settings.ts";
import { detectGpu } from "../../infra/io/local-gpu.ts";
import { type AwsPlan, makeAwsPlan } from "../../infra/plan/aws/plan.ts";
import { makePlan, type Plan } from "../../infra/plan/plan.ts";
import type { Paths } from "../core/paths.ts";

/** The model of a stack that names none. */
const DEFAULT_MODEL = KEYS.modelId.default;
const DEMO_MODEL = "demo";

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

/** LocalSettings with the model that is to be served in them. */
export function withModel(settings: LocalSettings, choice: ModelChoice): LocalSettings {
  return { ...settings, modelId: choice.id };
}

/** Like `planOf`, of a stack on AWS: costs besides. */
export async function awsPlanOf(paths: Paths, settings: AwsSettings, stack: string): Promise<AwsPlan> {
  const { readManifest } = await import("../../infra/io/manifests.ts");
  return makeAwsPlan(settings, readManifest(settings.modelId, paths.manifests), stack);
}

/** The decisions that the program will make of these settings: sizes, times, names, the address. */
export async function planOf(paths: Paths, settings: LocalSettings): Promise<Plan> {
  // Loaded here because it brings Pulumi's SDK, which takes half a second.
  const { readManifest } = await import("../../infra/io/manifests.ts");
  return makePlan(settings, readManifest(settings.modelId, paths.manifests), detectGpu());
}
