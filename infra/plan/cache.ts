import type { LocalSettings } from "../config/settings.ts";

/** Where a model is kept, and what its libraries must be told to find it there. */
export interface CachePlan {
  readonly volumeName: string;
  readonly mountPath: string;
  /** The Hugging Face environment: the one place that states these names. */
  readonly environment: Readonly<Record<string, string>>;
  /** Whether the volume outlives the stack. */
  readonly retain: boolean;
}

const MOUNT_PATH = "/data";
const HOME = `${MOUNT_PATH}/huggingface`;

/** The cache's place in the container, in the libraries' words; the same on every target. */
export const CACHE_ENVIRONMENT: Readonly<Record<string, string>> = {
  HF_HOME: HOME,
  HF_HUB_CACHE: `${HOME}/hub`,
  TRANSFORMERS_CACHE: `${HOME}/hub`,
};

/** The volume is there in baked mode too: so changing the mode never deletes a downloaded model. */
export function planCache(settings: LocalSettings): CachePlan {
  return {
    volumeName: settings.volumeName,
    mountPath: MOUNT_PATH,
    environment: CACHE_ENVIRONMENT,
    retain: settings.cacheOnDestroy === "retain",
  };
}
