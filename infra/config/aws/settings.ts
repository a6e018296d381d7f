import type { SettingsOf } from "../key.ts";
import type { CommonSettings } from "../settings.ts";
import type { AWS_KEYS } from "./keys.ts";

/** The keys of target `aws`, as [config.md](config.md) lists them. Null: the plan, or AWS at the first deploy, decides. */
export interface AwsSettings extends CommonSettings, SettingsOf<typeof AWS_KEYS> {
  readonly target: "aws";
  /** Pulumi's own `aws:region`. */
  readonly region: string;
}
