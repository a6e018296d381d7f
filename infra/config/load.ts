import * as pulumi from "@pulumi/pulumi";
import { PROJECT } from "../contract.ts";
import { UserError } from "../errors.ts";
import { parseSettings } from "./parse.ts";
import { wordForPulumi } from "./problem.ts";
import { SECRET_KEYS, type SecretKey } from "./schema.ts";
import type { Settings } from "./settings.ts";

/** The values of the keys that are set as secrets: Pulumi secrets still. */
export type Secrets = Readonly<Partial<Record<SecretKey, pulumi.Output<string>>>>;

/** What a stack asks for. */
export interface LoadedConfig {
  readonly settings: Settings;
  readonly secrets: Secrets;
}

// Pulumi's own `secret: true` in the project file can't have a default, and so would make the key mandatory.

/** Reads the stack's config: the only place that does. Throws one `UserError` with every problem. */
export function loadConfig(): LoadedConfig {
  const prefix = `${PROJECT}:`;
  const raw: Record<string, string> = {};
  for (const [key, value] of Object.entries(pulumi.runtime.allConfig())) {
    if (key.startsWith(prefix)) raw[key.slice(prefix.length)] = value;
  }
  const secretKeys = SECRET_KEYS.filter((key) => isSecret(`${prefix}${key}`));
  const parsed = parseSettings(raw, { region: pulumi.runtime.allConfig()["aws:region"], secretKeys });
  if ("problems" in parsed) throw new UserError(parsed.problems.map(wordForPulumi));
  const { settings } = parsed;
  const values = settings.secretKeys.map((key) => [key, pulumi.secret((raw[key] ?? "").trim())]);
  return { settings, secrets: Object.fromEntries(values) as Secrets };
}

/** The SDK exports this without declaring it. */
function isSecret(key: string): boolean {
  const runtime = pulumi.runtime as typeof pulumi.runtime & { isConfigSecret(key: string): boolean };
  return runtime.isConfigSecret(key);
}
