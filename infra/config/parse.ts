import { REGION } from "./aws/parsers.ts";
import { awsProblems, secretOnAws } from "./aws/rules.ts";
import { ciProblems } from "./ci/rules.ts";
import { fleetProblems } from "./fleet/rules.ts";
import type { Key } from "./key.ts";
import { nearest } from "./nearest.ts";
import { type Problem, qualifyKey } from "./problem.ts";
import { environmentProblems, localProblems, serviceProblems } from "./rules.ts";
import { ALL_KEYS, COMMON_KEYS, KEYS, RENAMED_KEYS, SECRET_KEYS, TARGET_KEYS, TOKEN_KEY } from "./schema.ts";
import { shellVariableOf } from "./service-variables.ts";
import type { ServiceStackSettings, Settings } from "./settings.ts";

/** Checked settings, or all problems: never both. */
export type ParsedSettings = { readonly settings: Settings } | { readonly problems: readonly Problem[] };

/** What a reader of config knows besides. */
export interface OtherConfig {
  /** `aws:region`. */
  readonly region?: string | undefined;
  /** Keys that are secrets. One whose value the reader can't see is in here alone. */
  readonly secretKeys?: readonly string[];
  /** False for what runs already, which a rule between keys must not hide. */
  readonly rules?: boolean;
}

/**
 * Reads the project's config, given by key without its namespace. Keys that are not there have their default.
 * All problems are reported together; a secret's value is in none of them.
 */
export function parseSettings(raw: Readonly<Record<string, string>>, other: OtherConfig = {}): ParsedSettings {
  const target = targetOf(raw.target);
  const keys = TARGET_KEYS[target];
  const problems = Object.keys(raw)
    .filter((key) => !Object.hasOwn(keys, key))
    .map((key) => foreignKey(key, raw[key]?.trim() ?? "", target))
    .filter((problem) => problem !== null);
  const values: Record<string, unknown> = {};
  // An empty secret sets nothing.
  const isSet = (key: string) => other.secretKeys?.includes(key) && raw[key]?.trim() !== "";
  const secretKeys = SECRET_KEYS.filter((key) => Object.hasOwn(keys, key) && isSet(key));
  const hidden = (key: string) => secretKeys.some((each) => each === key);
  for (const [key, spec] of Object.entries(keys)) {
    const text = (raw[key] ?? spec.default).trim();
    const parsed = spec.parse(text);
    if (!("value" in parsed)) problems.push(wrongValue(key, { ...spec, ...parsed }, parsed.expected, text));
    else if (other.rules !== false && !hidden(key) && text !== spec.default && spec.secret?.(parsed.value))
      problems.push(plainSecret(key, target));
    else values[key] = hidden(key) ? emptyOf(spec) : parsed.value;
    if (key === "environment" && "value" in parsed)
      problems.push(...environmentProblems(parsed.value as Variables, target === "ci" ? "local" : target));
  }
  const region = (other.region ?? "").trim();
  if (target !== "local" && !REGION.test(region)) problems.push(wrongRegion(region));
  if (problems.length > 0) return { problems };
  const { [TOKEN_KEY]: _token, ...known } = values;
  const settings = {
    ...(target === "fleet" ? defaultsOf(COMMON_KEYS) : {}),
    ...known,
    ...(target === "ci" ? {} : { hasToken: secretKeys.includes(TOKEN_KEY) }),
    secretKeys,
    ...(target === "local" ? {} : { region }),
  } as unknown as Settings;
  if (other.rules === false) return { settings };
  const together = settings.target === "ci" ? ciProblems(settings) : problemsOfService(settings);
  return together.length > 0 ? { problems: together } : { settings };
}

function problemsOfService(settings: ServiceStackSettings): readonly Problem[] {
  return [...serviceProblems(settings), ...problemsOfTarget(settings)];
}

function problemsOfTarget(settings: ServiceStackSettings): readonly Problem[] {
  if (settings.target === "local") return localProblems(settings);
  return settings.target === "aws" ? awsProblems(settings) : fleetProblems(settings);
}

/** One that is not known counts as local, whose keys a message then names. */
function targetOf(text: string = KEYS.target.default): Settings["target"] {
  const found = (["aws", "fleet", "ci"] as const).find((each) => each === text.trim());
  return found ?? "local";
}

type Variables = Readonly<Record<string, string>>;

/** What a key is when it is not set. */
function emptyOf(spec: Key<unknown>): unknown {
  const parsed = spec.parse(spec.default);
  return "value" in parsed ? parsed.value : null;
}

/** Settings without config. */
const defaultsOf = (keys: Readonly<Record<string, Key<unknown>>>) =>
  Object.fromEntries(Object.entries(keys).map(([key, spec]) => [key, emptyOf(spec)]));

/** A secret that stands in the stack's file as it is. */
function plainSecret(key: string, target: Settings["target"]): Problem {
  if ((target === "aws" || target === "fleet") && key !== TOKEN_KEY) return secretOnAws(key);
  const fix = { secret: key, variable: shellVariableOf(key) };
  return { path: qualifyKey(key), expected: "a secret", got: "plain text", fix };
}

function wrongValue(key: string, spec: Key<unknown>, expected: string, text: string): Problem {
  const path = qualifyKey(key);
  if (spec.secret && !spec.shows?.(text)) {
    const or = spec.example === "--secret" ? {} : { or: { set: key, value: spec.example } };
    const fix = { secret: key, variable: shellVariableOf(key), ...or };
    return { path, expected, got: "another (not shown)", fix };
  }
  return { path, expected, got: JSON.stringify(text), fix: { set: key, value: spec.example } };
}

function wrongRegion(text: string): Problem {
  return {
    path: "aws:region",
    expected: "a region such as us-east-1",
    got: text === "" ? "nothing" : JSON.stringify(text),
    fix: { set: "aws:region", value: "us-east-1" },
  };
}

/** A key that this target does not read: unknown, or another target's. Pulumi itself hands over every key's default. */
function foreignKey(key: string, text: string, target: Settings["target"]): Problem | null {
  const path = qualifyKey(key);
  const renamed = RENAMED_KEYS[key];
  if (renamed !== undefined) {
    return {
      path,
      expected: `its new name ${renamed}`,
      got: "the old one",
      fix: { set: renamed, value: text, unset: key },
    };
  }
  const spec = ALL_KEYS[key];
  if (spec && text === spec.default) return null;
  const near = nearest(key, Object.keys(ALL_KEYS));
  const known = near ?? `one of ${Object.keys(TARGET_KEYS[target]).join(", ")}`;
  return {
    path,
    expected: spec ? `no such key with target ${target}` : known,
    got: spec ? JSON.stringify(text) : "an unknown key",
    fix: { unset: key },
  };
}
