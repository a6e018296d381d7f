import type { AwsSettings } from "./aws/settings.ts";
import type { LOCAL_KEYS } from "./docker-keys.ts";
import type { SettingsOf } from "./key.ts";
import type { COMMON_KEYS } from "./schema.ts";

/** What a stack asks for. Plain data: the one secret, the Hugging Face token, travels beside it (see `load.ts`). */
export type Settings = LocalSettings | AwsSettings;

/** What every target reads. The keys' tables describe the fields. */
export interface CommonSettings extends SettingsOf<typeof COMMON_KEYS> {
  /** Whether a Hugging Face token is set. */
  readonly hasToken: boolean;
}

/** What Docker on this machine reads. */
export interface LocalSettings extends CommonSettings, SettingsOf<typeof LOCAL_KEYS> {
  readonly target: "local";
}

export type ModelCache = "volume" | "baked";
