import type { LocalSettings } from "../config/settings.ts";
import { DEMO_MODEL, DEMO_MODEL_ID, READY_PATH, serviceUrl } from "../contract.ts";
import { bytesToFetch, type Manifest, type ModelSize } from "./manifest.ts";
import { modelPath } from "./service-environment.ts";
import { RATES } from "./startup.ts";

/** What counts as ready, where to ask, and for how long. All times in seconds. */
export interface ReadinessPlan {
  readonly url: string;
  readonly readyUrl: string;
  /** Names under which the service may report the model that was asked for. */
  readonly models: readonly string[];
  /** Whether it may report a path besides: a secret among its variables may name the model, and is not known here. */
  readonly acceptsPath?: true;
  readonly device: "cuda" | "cpu";
  /** Longest wait from the container's start to a first image. */
  readonly readyTimeoutSeconds: number;
  readonly pollSeconds: number;
  /** The HTTP server answers within a second of its start; a container without a response for this long never will. */
  readonly noResponseTimeoutSeconds: number;
  /** How long a retryable error of the service may last. */
  readonly retryableErrorTimeoutSeconds: number;
  /** The same for errors of the host that the service is on; absent: as long. */
  readonly hostErrorTimeoutSeconds?: number;
}

/** Enough to import, load and warm up on a slow machine without a GPU. */
export const LOAD_TIMEOUT_SECONDS = 600;
/** The same on every target, so that the same start ends in the same second. */
export const SERVICE_TIMEOUTS = { pollSeconds: 1, retryableErrorTimeoutSeconds: 30 } as const;

export function planReadiness(
  settings: LocalSettings,
  manifest: Manifest | null,
  size: ModelSize,
  gpu: boolean,
): ReadinessPlan {
  const url = serviceUrl(settings);
  const fetchSeconds = settings.modelCache === "baked" ? 0 : bytesToFetch(size) / RATES.slowestBytesPerSecond;
  return {
    url,
    readyUrl: `${url}${READY_PATH}`,
    models: modelNames(settings, manifest),
    ...(settings.secretKeys.includes("environment") ? { acceptsPath: true } : {}),
    device: gpu ? "cuda" : "cpu",
    readyTimeoutSeconds: settings.readyTimeoutSeconds ?? Math.ceil(fetchSeconds + LOAD_TIMEOUT_SECONDS),
    noResponseTimeoutSeconds: 90,
    ...SERVICE_TIMEOUTS,
  };
}

type NamedModel = Parameters<typeof modelPath>[0] & { readonly modelId: string };

/** Names under which the service may report the model that was asked for. */
export function modelNames(settings: NamedModel, manifest: Manifest | null): string[] {
  const { modelId, modelDir = null } = settings;
  const path = modelPath(settings);
  // A process has it where it lies.
  if (path !== null) return [...new Set([path, ...(modelDir === null ? [] : [modelDir])])];
  const demo = modelId === DEMO_MODEL ? [DEMO_MODEL_ID] : [];
  return [...new Set([modelId, ...(manifest ? [manifest.id, ...manifest.aliases] : []), ...demo])];
}
