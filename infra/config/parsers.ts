/** Parsers of one config value: text in, a value out, or what was expected instead. Pure. */

/** Either the parsed value, or (for the message) what was expected. */
type Parsed<T> = { readonly value: T } | { readonly expected: string };

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

/** An http(s) address without path's trailing slash, query or credentials. */
export const httpUrl: Parser<string> = (text) => {
  const expected = "an http:// or https:// address without credentials";
  if (!URL.canParse(text)) return { expected };
  const url = new URL(text);
  const plain = url.username === "" && url.password === "" && url.search === "" && url.hash === "";
  const web = url.protocol === "http:" || url.protocol === "https:";
  return web && plain ? { value: text.replace(/\/+$/, "") } : { expected };
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
