/**
 * Stage 2, plan. In: `Settings`, the model's manifest (or null), and what this machine has. Out: `Plan`, plain data that
 * every later stage is made from. Never imports Pulumi, reads a file, a clock or the network.
 */
import type { LocalSettings, ModelCache } from "../config/settings.ts";
import { type CachePlan, type HostPlan, planCache, planHost } from "./container.ts";
import { type LocalFleetPlan, planLocalFleet } from "./fleet/local-fleet.ts";
import { planGpus } from "./gpus.ts";
import { type ImagePlan, planImage } from "./image.ts";
import { type Manifest, modelSize } from "./manifest.ts";
import { planReadiness, type ReadinessPlan } from "./readiness.ts";
import { planRoom, type Room } from "./room.ts";
import { modelPath } from "./service-environment.ts";
import { estimateStartup, type LocalStartupEstimate, type StartupFacts } from "./startup.ts";

/** What the plan must know of the machine that it is made for. */
export interface LocalGpu {
  /** Whether Docker on this machine can give a container an NVIDIA GPU. */
  readonly hasGpu: boolean;
}

/** All decisions of one stack. */
export interface Plan {
  readonly target: "local";
  readonly modelId: string;
  readonly modelCache: ModelCache;
  readonly image: ImagePlan;
  readonly cache: CachePlan;
  readonly host: HostPlan;
  /** Null: one service, and no queue. */
  readonly fleet: LocalFleetPlan | null;
  readonly readiness: ReadinessPlan;
  readonly startupEstimate: LocalStartupEstimate;
  /** Disk space that the first `up` takes of a machine that has nothing of it yet. */
  readonly room: Room;
}

export function makePlan(
  settings: LocalSettings,
  manifest: Manifest | null,
  gpu: LocalGpu,
  measured: Omit<StartupFacts, "gpu"> = {},
): Plan {
  const gpus = planGpus(settings.gpu, gpu.hasGpu);
  const size = modelSize(settings, manifest);
  const startupEstimate = estimateStartup(settings.modelCache, size, { ...measured, gpu: gpus !== null });
  const cache = planCache(settings);
  const image = planImage(settings, gpus);
  const host = planHost(settings, cache, gpus);
  return {
    target: settings.target,
    modelId: modelPath(settings) ?? settings.modelId,
    modelCache: settings.modelCache,
    image,
    cache,
    host,
    fleet: settings.workers > 0 ? planLocalFleet(settings, host, gpus) : null,
    readiness: planReadiness(settings, manifest, size, gpus !== null),
    startupEstimate,
    room: planRoom({ modelCache: settings.modelCache, startupEstimate, image }),
  };
}
