import * as pulumi from "@pulumi/pulumi";
import { UserError } from "../errors.ts";
import { parseSettings } from "./parse.ts";
import { TOKEN_KEY } from "./schema.ts";
import { PROJECT, type Settings } from "./settings.ts";

/** What a stack asks for; the token, when there is one, stays a Pulumi secret. */
export interface LoadedConfig {
  readonly settings: Settings;
  readonly hfToken: pulumi.Output<string> | undefined;
}

/** Reads the stack's config: the only place that does. Throws one `UserError` with every problem. */
export function loadConfig(): LoadedConfig {
  const prefix = `${PROJECT}:`;
  const raw: Record<string, string> = {};
  for (const [key, value] of Object.entries(pulumi.runtime.allConfig())) {
    if (key.startsWith(prefix)) raw[key.slice(prefix.length)] = value;
  }
  const parsed = parseSettings(raw);
  if ("problems" in parsed) throw new UserError(parsed.problems);
  const { settings } = parsed;
  const hfToken = settings.hasToken ? pulumi.secret((raw[TOKEN_KEY] ?? "").trim()) : undefined;
  return { settings, hfToken };
}
