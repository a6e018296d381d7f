import { nearest } from "./nearest.ts";
import type { Parsed } from "./parsers.ts";
import { ALL_KEYS, KEYS, type Key, TOKEN_KEY } from "./schema.ts";
import { PROJECT, type Settings } from "./settings.ts";

/** Checked settings, or one line for each problem: never both. */
export type ParsedSettings = { readonly settings: Settings } | { readonly problems: readonly string[] };

/**
 * Reads the project's config, given by key without its namespace. Keys that are not there have their default.
 * All problems are reported together; a secret's value is in none of them.
 */
export function parseSettings(raw: Readonly<Record<string, string>>): ParsedSettings {
  const problems = Object.keys(raw)
    .filter((key) => !Object.hasOwn(ALL_KEYS, key))
    .map(unknownKey);
  const values: Record<string, unknown> = {};
  for (const [key, spec] of Object.entries(ALL_KEYS)) {
    const text = (raw[key] ?? spec.default).trim();
    const parsed: Parsed<unknown> = spec.parse(text);
    if ("value" in parsed) values[key] = parsed.value;
    else problems.push(wrongValue(key, spec, parsed.expected, text));
  }
  if (problems.length > 0) return { problems };
  const hasToken = values[TOKEN_KEY] !== null;
  const known = Object.keys(KEYS).map((key) => [key, values[key]]);
  return { settings: { ...Object.fromEntries(known), hasToken } as Settings };
}

function wrongValue(key: string, spec: Key<unknown>, expected: string, text: string): string {
  const got = spec.secret ? "another (not shown)" : JSON.stringify(text);
  return `${PROJECT}:${key}: expected ${expected}, got ${got}. Fix: pulumi config set ${key} ${spec.example}`;
}

function unknownKey(key: string): string {
  const known = nearest(key, Object.keys(ALL_KEYS));
  const expected = known ? `${known}` : `one of ${Object.keys(ALL_KEYS).join(", ")}`;
  return `${PROJECT}:${key}: expected ${expected}, got an unknown key. Fix: pulumi config rm ${key}`;
}
