import { gunzipSync } from "node:zlib";
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { isSecretName } from "../../infra/contract.ts";
import { looksSecret } from "./secret-patterns.ts";

/** The one place that a secret's value belongs to. */
const SECRET = "aws:secretsmanager/secretVersion:SecretVersion";

/**
 * User data is shown to everything on the host, parameters and tags to everyone who may list them. The service's secrets
 * are given as ARNs of Secrets Manager.
 */
export const noPlainSecrets: ResourceValidationPolicy = {
  name: "no-plain-secrets",
  description: "No input of a resource, user data unpacked, holds a secret.",
  enforcementLevel: "mandatory",
  validateResource: ({ type, name, props }, reportViolation) => {
    if (!type.startsWith("aws:") || type === SECRET) return;
    for (const path of secretsIn(props, "")) {
      reportViolation(`${name}: expected the ARN of a secret, got a secret in ${path}.`);
    }
  },
};

/** Where in a value, JSON and packed text unpacked, something looks like a secret. The value itself is never shown. */
function* secretsIn(value: unknown, path: string): Generator<string> {
  if (typeof value === "object" && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      const where = path === "" ? key : `${path}.${key}`;
      if (isPlainSecret(key, inner)) yield where;
      else yield* secretsIn(inner, where);
    }
  } else if (typeof value === "string") {
    const text = unpacked(value);
    const inner = parsed(text);
    if (inner !== undefined) yield* secretsIn(inner, path);
    else if (looksSecret(text)) yield path;
  }
}

/** A variable that is called a secret and isn't a reference to one. */
function isPlainSecret(key: string, value: unknown): boolean {
  return /^[A-Z0-9_]+$/.test(key) && isSecretName(key) && typeof value === "string" && !/^(?:arn:|$)/.test(value);
}

function parsed(text: string): object | undefined {
  if (!/^\s*[{[]/.test(text)) return undefined;
  try {
    return JSON.parse(text) as object;
  } catch {
    return undefined;
  }
}

/** Base64, of gzip or of plain text, as user data comes; anything else as it is. */
function unpacked(text: string): string {
  if (text.length < 24 || !/^[A-Za-z0-9+/\s]+=*\s*$/.test(text)) return text;
  const bytes = Buffer.from(text, "base64");
  try {
    return bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes).toString() : `${text}\n${bytes.toString()}`;
  } catch {
    return text;
  }
}
