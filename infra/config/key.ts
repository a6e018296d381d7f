import { boolean, optional, type Parser } from "./parsers.ts";

/** One config key: its default as text, how to read it, and a value for the fix. */
export interface Key<T> {
  readonly default: string;
  readonly type: "string" | "integer" | "boolean";
  readonly parse: Parser<T>;
  readonly example: string;
  /** Whether such a value must be a Pulumi secret; absent for a key that is never one. */
  secret?(value: T): boolean;
  /** Of a key that may be a secret: whether a message may show this text of it. */
  shows?(text: string): boolean;
}

/** The settings that a table of keys describes: a field for each key, of the type that its parser gives. */
export type SettingsOf<Keys> = {
  readonly [Name in keyof Keys]: Keys[Name] extends Key<infer Value> ? Value : never;
};

export const text = <T>(value: string, parse: Parser<T>, example = value): Key<T> => ({
  default: value,
  type: "string",
  parse,
  example,
});

/** A key that is empty by default, which is read as null. */
export const unset = <T>(parse: Parser<T>, example: string) => text("", optional("", parse), example);

export const number = <T>(value: number, parse: Parser<T>, example = value): Key<T> => ({
  default: String(value),
  type: "integer",
  parse,
  example: String(example),
});

export const flag: Key<boolean> = { default: "false", type: "boolean", parse: boolean, example: "false" };
