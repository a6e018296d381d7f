import { parse, stringify } from "yaml";
import { PROJECT, SECRET_PLACEHOLDER } from "../../infra/contract.ts";
import { isRecord } from "./deployment.ts";

/** A stack's file for previews: its text without secrets and without the key that they were encrypted with. */
export interface PreviewFile {
  readonly text: string;
  /** Keys whose values are secrets: to be set to the placeholder. */
  readonly secretKeys: readonly string[];
}

const isSecret = (value: unknown) => isRecord(value) && Object.keys(value).join() === "secure";

export function previewFile(text: string): PreviewFile {
  const { config = {} } = (parse(text) ?? {}) as { config?: Readonly<Record<string, unknown>> };
  const entries = Object.entries(config);
  const kept = entries.filter(([, value]) => !isSecret(value)).map(([key, value]) => [key, open(value)] as const);
  // It keeps the program from looking secrets up; a stack on this machine looks none up, and has no such key.
  const isOnAws = ["aws", "fleet"].includes(String(config[`${PROJECT}:target`]));
  const more = isOnAws ? { [`${PROJECT}:previewWithoutSecrets`]: "true" } : {};
  return {
    text: stringify({ config: { ...Object.fromEntries(kept), ...more } }),
    secretKeys: entries.filter(([, value]) => isSecret(value)).map(([key]) => key),
  };
}

/** Secrets in lists and maps, which no key of this project is, are the placeholder as plain text. */
function open(value: unknown): unknown {
  if (isSecret(value)) return SECRET_PLACEHOLDER;
  if (Array.isArray(value)) return value.map(open);
  return isRecord(value) ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, open(one)])) : value;
}
