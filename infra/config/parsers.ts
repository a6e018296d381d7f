/** Parsers of one config value: text in, a value out, or what was expected instead. Pure. */
import { hasLogin } from "./login.ts";

/** Either the parsed value, or (for the message) what was expected, and a value to set where the key's example is not the one that is meant. */
type Parsed<T> = { readonly value: T } | { readonly expected: string; readonly example?: string };

export type Parser<T> = (text: string) => Parsed<T>;

/** One word of a list. */
export const oneOf =
  <T extends string>(...words: readonly T[]): Parser<T> =>
  (text) => {
    const found = words.find((word) => word === text);
    const expected = words.length === 1 ? String(words[0]) : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
    return found === undefined ? { expected } : { value: found };
  };

/** A whole number within bounds. */
export const integer =
  (least: number, most: number): Parser<number> =>
  (text) => {
    const number = Number(text);
    return /^\d+$/.test(text) && number >= least && number <= most
      ? { value: number }
      : { expected: `a whole number from ${least} to ${most}` };
  };

/** A price: decimals without an exponent, as the service reads them. */
export const price: Parser<number> = (text) =>
  /^\d{1,5}(\.\d{1,6})?$/.test(text) && Number(text) > 0
    ? { value: Number(text) }
    : { expected: "a number above 0 and below 100000" };

/** Text of a given form. */
export const matching =
  (pattern: RegExp, expected: string): Parser<string> =>
  (text) =>
    pattern.test(text) ? { value: text } : { expected };

/** The given word stands for "not set". */
export const optional =
  <T>(unset: string, parser: Parser<T>): Parser<T | null> =>
  (text) => {
    if (text === unset) return { value: null };
    const parsed = parser(text);
    if ("value" in parsed) return parsed;
    return { expected: `${parsed.expected}, or ${unset === "" ? "nothing" : unset}` };
  };

/** An IPv4 address, or an IPv6 address without a zone. */
export const ipAddress: Parser<string> = (text) => {
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (v4?.slice(1).every((part) => Number(part) <= 255)) return { value: text };
  if (text.includes(":") && URL.canParse(`http://[${text}]/`)) return { value: text };
  return { expected: "an IP address" };
};

/** An http(s) address without path's trailing slash or query; with a user and a password where a server asks for them. */
export const loginUrl: Parser<string> = (text) => {
  const expected = "an http:// or https:// address";
  if (!URL.canParse(text) || /\s/.test(text)) return { expected };
  const { protocol, search, hash } = new URL(text);
  const web = protocol === "http:" || protocol === "https:";
  return web && search === "" && hash === "" ? { value: text.replace(/\/+$/, "") } : { expected };
};

/** Such an address without a user and a password. */
export const httpUrl: Parser<string> = (text) => {
  const parsed = loginUrl(text);
  return "value" in parsed && !hasLogin(text)
    ? parsed
    : { expected: "an http:// or https:// address without credentials" };
};

/** Pulumi writes booleans as these two words. */
export const boolean: Parser<boolean> = (text) =>
  text === "true" || text === "false" ? { value: text === "true" } : { expected: "true or false" };

/** Words with commas between them, or a JSON array of words. Each counts once. */
export const listOf =
  <T>(item: Parser<T>, least = 0): Parser<readonly T[]> =>
  (text) => {
    const words = text.startsWith("[") ? jsonWords(text) : text.split(",").map((word) => word.trim());
    if (words === null) return { expected: "a list with commas, or a JSON array of words" };
    const values = new Set<T>();
    for (const word of words.filter((each) => each !== "")) {
      const parsed = item(word);
      if (!("value" in parsed)) return { expected: `a list, each ${parsed.expected}` };
      values.add(parsed.value);
    }
    return values.size < least ? { expected: "a list of at least one" } : { value: [...values] };
  };

function jsonWords(text: string): string[] | null {
  try {
    const found: unknown = JSON.parse(text);
    return Array.isArray(found) && found.every((word) => typeof word === "string") ? found : null;
  } catch {
    return null;
  }
}

/** `s3://bucket/prefix`, without a slash at its end. */
export const s3Prefix: Parser<string> = (text) => {
  const right = /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:\/[A-Za-z0-9!_.*'()-]+)*\/?$/.test(text);
  return right ? { value: text.replace(/\/$/, "") } : { expected: "an address such as s3://bucket/prefix" };
};

/** A file or folder of the machine that the service runs on. */
export const hostPath: Parser<string> = (text) =>
  text.startsWith("/") && !/[\n,:]/.test(text)
    ? { value: text.replace(/(?<=.)\/+$/, "") }
    : { expected: "an absolute path on this machine, without : or a comma" };

/** Variables by name: a JSON object, or `NAME=value` with commas between them. */
export const variables: Parser<Readonly<Record<string, string>>> = (text) => {
  const found = text.startsWith("{")
    ? jsonObject(text)
    : text === ""
      ? {}
      : Object.fromEntries(text.split(",").map(pair));
  const right = found !== null && Object.keys(found).every((name) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
  return right ? { value: found } : { expected: 'variables as NAME=value,NAME=value or as JSON, {"NAME":"value"}' };
};

function pair(text: string): [string, string] {
  const at = text.indexOf("=");
  return at < 1 ? ["", ""] : [text.slice(0, at).trim(), text.slice(at + 1)];
}

function jsonObject(text: string): Record<string, string> | null {
  try {
    const entries = Object.entries(JSON.parse(text) as object);
    const plain = entries.every(([, value]) => ["string", "number", "boolean"].includes(typeof value));
    return plain ? Object.fromEntries(entries.map(([name, value]) => [name, String(value)])) : null;
  } catch {
    return null;
  }
}

/** A map of variables that has been checked before. */
export function readVariables(text: string): Readonly<Record<string, string>> {
  const parsed = variables(text);
  return "value" in parsed ? parsed.value : {};
}
