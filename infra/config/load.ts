import * as pulumi from "@pulumi/pulumi";
import { PROJECT } from "../contract.ts";
import { UserError } from "../errors.ts";
import { parseSettings } from "./parse.ts";
import { type Problem, qualifyKey, wordForPulumi } from "./problem.ts";
import { TOKEN_KEY } from "./schema.ts";
import type { Settings } from "./settings.ts";

/** What a stack asks for; the token, when there is one, stays a Pulumi secret. */
export interface LoadedConfig {
  readonly settings: Settings;
  readonly hfToken: pulumi.Output<string> | undefined;
}

// Pulumi's own `secret: true` in the project file can't have a default, and so would make the key mandatory.
const PLAIN_TOKEN: Problem = {
  path: qualifyKey(TOKEN_KEY),
  expected: "a secret",
  got: "plain text",
  fix: { text: `pulumi config set --secret ${TOKEN_KEY}` },
};

/** Reads the stack's config: the only place that does. Throws one `UserError` with every problem. */
export function loadConfig(): LoadedConfig {
  const prefix = `${PROJECT}:`;
  const raw: Record<string, string> = {};
  for (const [key, value] of Object.entries(pulumi.runtime.allConfig())) {
    if (key.startsWith(prefix)) raw[key.slice(prefix.length)] = value;
  }
  const token = (raw[TOKEN_KEY] ?? "").trim();
  const parsed = parseSettings(raw, { region: pulumi.runtime.allConfig()["aws:region"] });
  const problems = "problems" in parsed ? [...parsed.problems] : [];
  if (token !== "" && !isSecret(`${prefix}${TOKEN_KEY}`)) problems.push(PLAIN_TOKEN);
  if ("problems" in parsed || problems.length > 0) throw new UserError(problems.map(wordForPulumi));
  const { settings } = parsed;
  const hfToken = settings.hasToken ? pulumi.secret(token) : undefined;
  return { settings, hfToken };
}

/** The SDK exports this without declaring it. */
function isSecret(key: string): boolean {
  const runtime = pulumi.runtime as typeof pulumi.runtime & { isConfigSecret(key: string): boolean };
  return runtime.isConfigSecret(key);
}
