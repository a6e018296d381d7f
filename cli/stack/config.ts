import { parseSettings } from "../../infra/config/parse.ts";
import { type ConfigOrigins, wordForImagegen } from "../../infra/config/problem.ts";
import { TOKEN_KEY } from "../../infra/config/schema.ts";
import type { LocalSettings, Settings } from "../../infra/config/settings.ts";
import { DEFAULT_STACK, PROJECT } from "../../infra/contract.ts";
import { CliError, EXIT } from "../core/exit.ts";

/** Keys whose values are never written in the clear. */
const SECRET_KEYS: readonly string[] = [`${PROJECT}:${TOKEN_KEY}`];

export type ConfigValue = string | number | boolean | { secure: string } | readonly unknown[] | Record<string, unknown>;
export type ConfigMap = Readonly<Record<string, ConfigValue>>;

/** A `Pulumi.<stack>.yaml`, as far as it matters here. */
export interface StackFile {
  readonly config?: ConfigMap;
  readonly encryptionsalt?: string;
  readonly encryptedkey?: string;
  readonly secretsprovider?: string;
  readonly environment?: unknown;
}

/** What `--config`, `--model` and `--port` said for one stack; it holds until `--reset-config`. */
export interface KeptConfig {
  readonly config: ConfigMap;
  /** The salt that the secrets in `config` were encrypted with. */
  readonly salt?: string;
}

/**
 * The stack file that Pulumi is given: the tracked file's config, what was kept for this stack over it, and the choices
 * of this run under both. Keys of encryption come from the tracked file if it has them, else from the last copy.
 */
export function composeStack(parts: {
  tracked: StackFile;
  kept: KeptConfig;
  chosen: ConfigMap;
  previous: StackFile;
}): StackFile {
  const { tracked, kept, chosen, previous } = parts;
  const encryption = tracked.encryptionsalt || tracked.secretsprovider ? tracked : previous;
  const readable = Object.entries(kept.config).filter(
    ([, value]) => !isSecret(value) || kept.salt === encryption.encryptionsalt,
  );
  return {
    ...(encryption.secretsprovider ? { secretsprovider: encryption.secretsprovider } : {}),
    ...(encryption.encryptedkey ? { encryptedkey: encryption.encryptedkey } : {}),
    ...(encryption.encryptionsalt ? { encryptionsalt: encryption.encryptionsalt } : {}),
    ...(tracked.environment === undefined ? {} : { environment: tracked.environment }),
    config: { ...chosen, ...tracked.config, ...Object.fromEntries(readable) },
  };
}

/** `key=value` pairs of `--config`, each with the project's namespace unless it names another. */
export function parseConfigFlags(flags: readonly string[]): Record<string, string> {
  const parsed: Record<string, string> = {};
  for (const flag of flags) {
    const at = flag.indexOf("=");
    if (at < 1) {
      throw new CliError(
        `--config: expected key=value, got "${flag}". Fix: imagegen up --config port=8001`,
        EXIT.usage,
      );
    }
    const key = qualify(flag.slice(0, at).trim());
    if (SECRET_KEYS.includes(key)) {
      throw new CliError(
        `--config: ${key} is a secret, which a command line shows to others. Fix: set HF_TOKEN`,
        EXIT.usage,
      );
    }
    parsed[key] = flag.slice(at + 1);
  }
  return parsed;
}

/** `port` → `Picture-Perfect-Challenge:port`. */
export function qualify(key: string): string {
  return key.includes(":") ? key : `${PROJECT}:${key}`;
}

/** A plain value of the project's own namespace as text; undefined when it is not set, empty or secret. */
export function readText(config: ConfigMap, key: string): string | undefined {
  const value = config[qualify(key)];
  if (value === undefined || typeof value === "object") return undefined;
  return String(value) === "" ? undefined : String(value);
}

export function isSecret(value: ConfigValue | undefined): value is { secure: string } {
  return typeof value === "object" && value !== null && "secure" in value;
}

const UNKNOWN_ORIGINS: ConfigOrigins = { stack: DEFAULT_STACK, originOf: () => "kept" };

/**
 * The checked settings of a stack's config, as the program will read them. Throws one CliError with every problem.
 * Secrets and namespaces that the program does not read are left out.
 */
export function checkedSettings(config: ConfigMap, origins: ConfigOrigins = UNKNOWN_ORIGINS): Settings {
  const raw: Record<string, string> = {};
  for (const [key, value] of Object.entries(config)) {
    if (key.startsWith(`${PROJECT}:`) && typeof value !== "object") raw[key.slice(PROJECT.length + 1)] = String(value);
  }
  const region = config["aws:region"];
  const parsed = parseSettings(raw, { region: typeof region === "string" ? region : undefined });
  if ("settings" in parsed) return parsed.settings;
  throw new CliError(parsed.problems.map((problem) => wordForImagegen(problem, origins)).join("\n"), EXIT.usage);
}

/** Like `checkedSettings`, of a stack on this machine; one of another target is an error. */
export function settingsOf(config: ConfigMap): LocalSettings {
  const settings = checkedSettings(config);
  if (settings.target === "local") return settings;
  throw new CliError(`This command works on stacks of this machine, not of ${settings.target}.`, EXIT.usage);
}

/** Where a client on this machine reaches the service. */
export function urlOf(view: Pick<LocalSettings, "bindAddress" | "port">): string {
  const everywhere = view.bindAddress === "0.0.0.0" || view.bindAddress === "::" || view.bindAddress === "";
  const host = everywhere ? "127.0.0.1" : view.bindAddress;
  return `http://${host.includes(":") ? `[${host}]` : host}:${view.port}`;
}
