import type { LocalSettings } from "../config/settings.ts";
import { DATA_PATH } from "../contract.ts";

/** Where a model is kept. */
export interface CachePlan {
  readonly volumeName: string;
  readonly mountPath: string;
  /** Whether the volume outlives the stack. */
  readonly retain: boolean;
}

/** The volume is there in baked mode too: so changing the mode never deletes a downloaded model. */
export function planCache(settings: LocalSettings): CachePlan {
  return {
    volumeName: settings.volumeName,
    mountPath: DATA_PATH,
    retain: settings.onDestroy === "retain",
  };
}
