import type { LocalSettings } from "../config/settings.ts";
import { READY_PATH } from "./container.ts";
import type { Manifest, ModelSize } from "./manifest.ts";
import { RATES } from "./startup.ts";

/** What counts as ready, where to ask, and for how long. All times in seconds. */
export interface HealthPlan {
  readonly url: string;
  readonly readyUrl: string;
  /** Names under which the service may report the model that was asked for. */
  readonly models: readonly string[];
  readonly device: "cuda" | "cpu";
  /** Longest wait from the container's start to a first picture. */
  readonly budgetSeconds: number;
  readonly pollSeconds: number;
  /** The HTTP server answers within a second of its start; a container silent for this long never will. */
  readonly silenceSeconds: number;
  /** How long a failure that may pass is watched before it counts. */
  readonly patienceSeconds: number;
}

/** Enough to import, load and warm up on a slow machine without a GPU. */
export const LOAD_BUDGET_SECONDS = 600;

export function planHealth(
  settings: LocalSettings,
  manifest: Manifest | null,
  size: ModelSize,
  gpu: boolean,
): HealthPlan {
  const url = `http://${reachable(settings.bindAddress)}:${settings.port}`;
  const fetchSeconds = settings.modelCache === "baked" ? 0 : size.bytes / RATES.slowestBytesPerSecond;
  return {
    url,
    readyUrl: `${url}${READY_PATH}`,
    models: modelNames(settings.modelId, manifest),
    device: gpu ? "cuda" : "cpu",
    budgetSeconds: settings.readyTimeoutSeconds ?? Math.ceil(fetchSeconds + LOAD_BUDGET_SECONDS),
    pollSeconds: 1,
    silenceSeconds: 90,
    patienceSeconds: 30,
  };
}

/** Names under which the service may report the model that was asked for. */
export function modelNames(modelId: string, manifest: Manifest | null): string[] {
  const demo = modelId === "demo" ? ["image-gen/demo"] : [];
  return [...new Set([modelId, ...(manifest ? [manifest.id, ...manifest.aliases] : []), ...demo])];
}

/** "Every address" is no address to connect to. */
function reachable(bindAddress: string): string {
  if (bindAddress === "0.0.0.0") return "127.0.0.1";
  if (bindAddress === "::") return "[::1]";
  return bindAddress.includes(":") ? `[${bindAddress}]` : bindAddress;
}
