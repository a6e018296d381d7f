/** A key of those that the service's variable has: one, or the JSON of several by name. Nobody has the key of a hash. */
export function firstKey(text: string | undefined): string | undefined {
  if (!text?.startsWith("{")) return text;
  const keys = Object.values(JSON.parse(text) as Record<string, string | { readonly key: string }>).map((value) =>
    typeof value === "string" ? value : value.key,
  );
  return keys.find((key) => !key.startsWith("sha256:"));
}
