import { API_KEY_VARIABLE } from "../../infra/contract.ts";
import { CliError } from "../core/exit.ts";

type Keys = Readonly<Record<string, string | { readonly key?: unknown }>>;

/**
 * A key of those that the service's variable has: one, or the JSON of several by name. Nobody has the key of a hash. Throws a CliError
 * for other JSON.
 */
export function firstKey(text: string | undefined): string | undefined {
  if (!text?.startsWith("{")) return text;
  const keys = Object.values(parsed(text)).map((value) => (typeof value === "object" ? value?.key : value));
  return keys.find((key): key is string => typeof key === "string" && !key.startsWith("sha256:"));
}

function parsed(text: string): Keys {
  try {
    return JSON.parse(text) as Keys;
  } catch {
    const message = `${API_KEY_VARIABLE} starts with a brace, and is not the JSON of several keys.`;
    throw new CliError({ message, fix: `export ${API_KEY_VARIABLE}=<key>` });
  }
}
