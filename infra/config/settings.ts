import type { AwsSettings } from "./aws/settings.ts";
import type { CiSettings } from "./ci/settings.ts";
import type { LOCAL_KEYS } from "./docker-keys.ts";
import type { FleetSettings } from "./fleet/settings.ts";
import type { SettingsOf } from "./key.ts";
import type { COMMON_KEYS, SecretKey } from "./schema.ts";

/** What a stack asks for. Plain data: secrets travel beside it (see `load.ts`), and their fields are empty. */
export type Settings = ServiceStackSettings | CiSettings;

/** Of a stack with a service. */
export type ServiceStackSettings = LocalSettings | AwsSettings | FleetSettings;

/** What every service reads. The keys' tables describe the fields. */
export interface CommonSettings extends SettingsOf<typeof COMMON_KEYS> {
  /** Whether a Hugging Face token is set. */
  readonly hasToken: boolean;
  /** The keys that are set, as secrets. */
  readonly secretKeys: readonly SecretKey[];
}

/** What Docker on this machine reads. */
export interface LocalSettings extends CommonSettings, SettingsOf<typeof LOCAL_KEYS> {
  readonly target: "local";
}

export type ModelCache = "volume" | "baked";
