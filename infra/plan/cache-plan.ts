import type { Settings } from "../config/settings.ts";

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

/** The volume is there in baked mode too: so changing the mode never deletes a downloaded model. */
export function planCache(settings: Settings): CachePlan {
  const home = `${MOUNT_PATH}/huggingface`;
  return {
    volumeName: settings.volumeName,
    mountPath: MOUNT_PATH,
    environment: {
      HF_HOME: home,
      HF_HUB_CACHE: `${home}/hub`,
      TRANSFORMERS_CACHE: `${home}/hub`,
    },
    retain: settings.cacheOnDestroy === "retain",
  };
}
