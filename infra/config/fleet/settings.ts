import type { SettingsOf } from "../key.ts";
import type { CommonSettings } from "../settings.ts";
import type { FLEET_KEYS } from "./keys.ts";

/** The keys of target `fleet`. Fields of keys that a fleet does not read have their defaults. */
export interface FleetSettings extends CommonSettings, SettingsOf<typeof FLEET_KEYS> {
  readonly target: "fleet";
  /** Pulumi's own `aws:region`. */
  readonly region: string;
}
