import type { AwsSettings } from "./aws/settings.ts";
import type { LOCAL_KEYS } from "./docker-keys.ts";
import type { SettingsOf } from "./key.ts";
import type { COMMON_KEYS, SecretKey } from "./schema.ts";

/** What a stack asks for. Plain data: secrets travel beside it (see `load.ts`), and their fields are empty. */
export type Settings = LocalSettings | AwsSettings;

/** What every target reads. The keys' tables describe the fields. */
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
