import type { SettingsOf } from "../key.ts";
import type { CI_KEYS } from "./keys.ts";

/** The keys of target `ci`. It is no service, and reads none of a service's keys. */
export interface CiSettings extends Omit<SettingsOf<typeof CI_KEYS>, "repository"> {
  readonly target: "ci";
  readonly repository: string;
  /** Pulumi's own `aws:region`. */
  readonly region: string;
  readonly secretKeys: readonly never[];
}
