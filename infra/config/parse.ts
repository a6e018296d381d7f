import { REGION } from "./aws/parsers.ts";
import { awsProblems } from "./aws/rules.ts";
import type { Key } from "./key.ts";
import { nearest } from "./nearest.ts";
import { type Problem, qualifyKey } from "./problem.ts";
import { ALL_KEYS, KEYS, RENAMED_KEYS, TARGET_KEYS, TOKEN_KEY } from "./schema.ts";
import type { Settings } from "./settings.ts";

/** Checked settings, or all problems: never both. */
export type ParsedSettings = { readonly settings: Settings } | { readonly problems: readonly Problem[] };

/** Config of other namespaces that this program reads. */
export interface OtherConfig {
  /** `aws:region`. */
  readonly region?: string | undefined;
}

/**
 * Reads the project's config, given by key without its namespace. Keys that are not there have their default.
 * All problems are reported together; a secret's value is in none of them.
 */
export function parseSettings(raw: Readonly<Record<string, string>>, other: OtherConfig = {}): ParsedSettings {
  const target = (raw.target ?? KEYS.target.default).trim() === "aws" ? "aws" : "local";
  const keys = TARGET_KEYS[target];
  const problems = Object.keys(raw)
    .filter((key) => !Object.hasOwn(keys, key))
    .map((key) => foreignKey(key, raw[key]?.trim() ?? "", target))
    .filter((problem) => problem !== null);
  const values: Record<string, unknown> = {};
  for (const [key, spec] of Object.entries(keys)) {
    const text = (raw[key] ?? spec.default).trim();
    const parsed = spec.parse(text);
    if ("value" in parsed) values[key] = parsed.value;
    else problems.push(wrongValue(key, spec, parsed.expected, text));
  }
  const region = (other.region ?? "").trim();
  if (target === "aws" && !REGION.test(region)) problems.push(wrongRegion(region));
  if (problems.length > 0) return { problems };
  const { [TOKEN_KEY]: token, ...known } = values;
  const settings = {
    ...known,
    hasToken: token !== null,
    ...(target === "aws" ? { region } : {}),
  } as unknown as Settings;
  const together = settings.target === "aws" ? awsProblems(settings) : [];
  return together.length > 0 ? { problems: together } : { settings };
}

function wrongValue(key: string, spec: Key<unknown>, expected: string, text: string): Problem {
  const path = qualifyKey(key);
  if (spec.secret) {
    return { path, expected, got: "another (not shown)", fix: { text: `pulumi config set --secret ${key}` } };
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
