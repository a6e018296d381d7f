/** Shorter ones are found in any text. */
const SHORTEST = 8;

/** The holders of secrets that are in `text` still, as they are or encoded. */
export function leaks(text: string, secrets: ReadonlyMap<string, string>): string[] {
  const found = [...secrets].filter(
    ([value]) => value.length >= SHORTEST && forms(value).some((form) => text.includes(form)),
  );
  return [...new Set(found.map(([, holder]) => holder))];
}

function forms(value: string): string[] {
  const quoted = JSON.stringify(value).slice(1, -1);
  return [value, quoted, JSON.stringify(quoted).slice(1, -1), encodeURIComponent(value), ...base64(value)];
}

/** In a longer text that is encoded, a value begins at one of three places of a group; its first and last characters depend on the rest. */
function base64(value: string): string[] {
  const all = [0, 1, 2].map((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), Buffer.from(value)])
      .toString("base64")
      .replace(/=+$/, "");
    return encoded.slice(before === 0 ? 0 : before + 1, -1);
  });
  return all.flatMap((one) => [one, one.replaceAll("+", "-").replaceAll("/", "_")]);
}
