import { maskLogin } from "../../infra/config/login.ts";
import { parseSettings } from "../../infra/config/parse.ts";
import {
  type ConfigOrigins,
  describeProblem,
  imagegenFix,
  type Problem,
  pulumiFix,
  qualifyKey,
} from "../../infra/config/problem.ts";
import { RENAMED_KEYS } from "../../infra/config/schema.ts";
import { variableOf } from "../../infra/config/service-variables.ts";
import type { Settings } from "../../infra/config/settings.ts";
import { DEFAULT_STACK, PROJECT } from "../../infra/contract.ts";
import { commandFor } from "../core/command-line.ts";
import { CliError, EXIT } from "../core/exit.ts";

/** Keys whose values are never written in the clear, whatever they are. */
const ALWAYS_SECRET = ["hfToken", "apiKey"];

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

/** What `--config`, `--model` and `--port` set for one stack, until `--reset-config`. */
export interface ConfigOverrides {
  readonly config: ConfigMap;
  /** The salt that the secrets in `config` were encrypted with. */
  readonly salt?: string;
}

/**
 * The stack file that Pulumi is given: the overrides over the tracked file's config, and that over the defaults that this
 * run chose. Keys of encryption come from the tracked file if it has them, else from the last working copy.
 */
export function composeStack(parts: {
  tracked: StackFile;
  overrides: ConfigOverrides;
  chosen: ConfigMap;
  previous: StackFile;
}): StackFile {
  const { tracked, overrides, chosen, previous } = parts;
  const encryption = tracked.encryptionsalt || tracked.secretsprovider ? tracked : previous;
  const readable = Object.entries(overrides.config).filter(
    ([, value]) => !isSecret(value) || overrides.salt === encryption.encryptionsalt,
  );
  return {
    ...pick(encryption, "secretsprovider", "encryptedkey", "encryptionsalt"),
    ...pick(tracked, "environment"),
    config: { ...chosen, ...tracked.config, ...Object.fromEntries(readable) },
  };
}

/** A file's config as Pulumi reads it: a key without a namespace is the project's own. */
export function withNamespaces(config: ConfigMap): ConfigMap {
  return Object.fromEntries(Object.entries(config).map(([key, value]) => [qualifyKey(key), value]));
}

/** Config that an earlier version of this command saved, with the keys' present names. */
export function withPresentKeys(config: ConfigMap): ConfigMap {
  const renamed = Object.fromEntries(Object.entries(RENAMED_KEYS).map((names) => names.map(qualifyKey)));
  return Object.fromEntries(Object.entries(config).map(([key, value]) => [renamed[key] ?? key, value]));
}

function pick(file: StackFile, ...keys: (keyof StackFile)[]): StackFile {
  return Object.fromEntries(keys.flatMap((key) => (file[key] === undefined ? [] : [[key, file[key]]])));
}

/** `key=value` pairs of `--config`, each with the project's namespace unless it names another. */
export function parseConfigFlags(flags: readonly string[], stack = DEFAULT_STACK): Record<string, string> {
  const parsed: Record<string, string> = {};
  for (const flag of flags) {
    const at = flag.indexOf("=");
    if (at < 1)
      throw wrongFlag(`expected key=value, got "${maskLogin(flag)}".`, commandFor(stack, "up --config port=8001"));
    const key = qualifyKey(flag.slice(0, at).trim());
    const secret = ALWAYS_SECRET.find((each) => qualifyKey(each) === key);
    if (secret)
      throw wrongFlag(`${key} is a secret, and other users can read a command line.`, `export ${variableOf(secret)}=…`);
    parsed[key] = flag.slice(at + 1);
  }
  return parsed;
}

function wrongFlag(message: string, fix: string): CliError {
  return new CliError({ message: `--config: ${message}`, fix }, EXIT.usage);
}

export function qualifyAll(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [qualifyKey(key), value]));
}

/** A plain value of the project's own namespace as text; undefined when it is not set, empty or secret. */
export function readText(config: ConfigMap, key: string): string | undefined {
  const value = config[qualifyKey(key)];
  if (value === undefined || typeof value === "object") return undefined;
  return String(value) === "" ? undefined : String(value);
}

export function isSecret(value: ConfigValue | undefined): value is { secure: string } {
  return typeof value === "object" && value !== null && "secure" in value;
}

/** Whether a value, or a part of it, is a secret. */
function holdsSecret(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return "secure" in value || Object.values(value).some(holdsSecret);
}

const UNKNOWN_ORIGINS: ConfigOrigins = { stack: DEFAULT_STACK, originOf: () => "kept" };

/**
 * The checked settings of a stack's config, as the program will read them. Throws one CliError with every problem, where its
 * value comes from and its fix. Namespaces that the program does not read are left out. `rules`: false for what runs already.
 */
export function checkedSettings(config: ConfigMap, origins: ConfigOrigins = UNKNOWN_ORIGINS, rules = true): Settings {
  const raw: Record<string, string> = {};
  const secretKeys: string[] = [];
  for (const [name, value] of Object.entries(config)) {
    const key = name.startsWith(`${PROJECT}:`) ? name.slice(PROJECT.length + 1) : "";
    if (key !== "" && holdsSecret(value)) secretKeys.push(key);
    else if (key !== "") raw[key] = typeof value === "object" ? JSON.stringify(value) : String(value);
  }
  const region = config["aws:region"];
  const parsed = parseSettings(raw, { region: typeof region === "string" ? region : undefined, secretKeys, rules });
  if ("settings" in parsed) return parsed.settings;
  throw wordedProblems(parsed.problems, config, origins);
}

/** Mistakes in a stack's config as one error: each with where its value comes from, and its fix. */
export function wordedProblems(problems: readonly Problem[], config: ConfigMap, origins: ConfigOrigins): CliError {
  const places = {
    flag: "on the command line",
    kept: "set by an earlier command",
    file: `in stacks/Pulumi.${origins.stack}.yaml`,
  };
  const details = problems.map((problem) => {
    const origin = origins.originOf(problem.path);
    const named = origin === "shell" ? `${origins.variableOf?.(problem.path)} of this shell` : places[origin];
    const place = problem.path in config ? ` (${named})` : "";
    return {
      message: `${describeProblem(problem)}${place}.`,
      // `up` makes no stack for CI.
      fix:
        readText(config, "target") === "ci"
          ? pulumiFix(problem.fix, origins.stack)
          : imagegenFix(problem.fix, origins, commandFor(origins.stack, "up")),
    };
  });
  return new CliError(details, EXIT.usage);
}

type SettingsOf<T extends Settings["target"]> = Extract<Settings, { readonly target: T }>;

/** The checked settings of a stack whose target is known. */
export function settingsFor<T extends Settings["target"]>(
  target: T,
  config: ConfigMap,
  origins?: ConfigOrigins,
  rules = true,
): SettingsOf<T> {
  const settings = checkedSettings(config, origins, rules);
  if (settings.target === target) return settings as SettingsOf<T>;
  throw new CliError(`target: expected ${target}, got ${settings.target}.`, EXIT.usage);
}
