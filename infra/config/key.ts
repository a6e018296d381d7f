import type { Parser } from "./parsers.ts";

/** One config key: its default as text, how to read it, and a value for the fix. */
export interface Key<T> {
  readonly default: string;
  readonly type: "string" | "integer" | "boolean";
  readonly parse: Parser<T>;
  readonly example: string;
  readonly secret?: true;
}

/** A key for each of the named fields of the settings. */
export type KeysOf<Settings> = { readonly [Name in keyof Settings]: Key<Settings[Name]> };
