import { SECRET_PLACEHOLDER } from "../../infra/contract.ts";
import { isRecord, type Resource, SECRET, SIGNATURE, type StackExport } from "./deployment.ts";

/** A copy without secrets, and what was taken out of it: each value, and the resource that held it. */
export interface Redacted {
  readonly copy: StackExport;
  readonly removed: ReadonlyMap<string, string>;
}

/** One property: what in it is a secret when all of it is marked as one, and what is none though it is marked by itself. */
interface Property {
  readonly secret: readonly string[];
  readonly open: readonly string[];
}

/**
 * Of a list or map with a secret in it, the engine may make one secret, and providers call values secrets that are none. A
 * preview compares these, so they stay. Whatever is marked in a property that is not here is taken for a secret.
 */
const PROPERTIES: Readonly<Record<string, Readonly<Record<string, Property>>>> = {
  "docker-build:index:Image": { registries: { secret: ["password"], open: ["username"] } },
  "docker-build:index:Index": { registry: { secret: ["password"], open: ["username"] } },
  "aws:lb/listener:Listener": { defaultActions: { secret: ["clientSecret"], open: [] } },
  // What the host is to run: it names secrets by their ARNs.
  "aws:ssm/parameter:Parameter": { value: { secret: [], open: ["value"] } },
};

/** In place of each secret the placeholder, in the same structure. In: an export with `--show-secrets`. */
export function redact({ version, deployment }: StackExport): Redacted {
  const removed = new Map<string, string>();
  const { secrets_providers: _key, pending_operations: _pending, resources = [], ...rest } = deployment;
  const redacted = resources.map((resource) => redactResource(resource, removed));
  return { copy: { version, deployment: { ...rest, resources: redacted } }, removed };
}

function redactResource(resource: Resource, removed: Map<string, string>): Resource {
  const properties = isSecureString(resource) ? {} : (PROPERTIES[resource.type] ?? {});

  const replaced = (value: unknown) => {
    if (typeof value !== "string" && typeof value !== "number") return value;
    removed.set(String(value), resource.urn);
    return typeof value === "number" ? 0 : SECRET_PLACEHOLDER;
  };
  /** `isOut`: whether a value of this name is a secret; `key`: the name of this one. */
  const walk = (value: unknown, key: string, property?: Property, isOut = (_: string) => false): unknown => {
    if (isSecret(value)) {
      const content = contentOf(value, resource);
      const whole = typeof content === "object";
      const out = (name: string) =>
        !property || (whole ? property.secret.includes(name) : !property.open.includes(name));
      return secret(walk(content, key, property, out));
    }
    if (Array.isArray(value)) return value.map((one) => walk(one, key, property, isOut));
    if (isRecord(value))
      return mapEntries(value, (name, one) => (name === SIGNATURE ? one : walk(one, name, property, isOut)));
    return isOut(key) ? replaced(value) : value;
  };
  const each = (values: unknown) =>
    isRecord(values) ? mapEntries(values, (name, one) => walk(one, name, properties[name])) : values;

  const redacted = mapEntries(resource as unknown as Readonly<Record<string, unknown>>, (field, value) =>
    field === "inputs" || field === "outputs" ? each(value) : walk(value, field),
  );
  return redacted as unknown as Resource;
}

/** Of Systems Manager: a parameter whose value is a secret in earnest. */
const isSecureString = ({ inputs }: Resource) => isRecord(inputs) && inputs.type === "SecureString";

const isSecret = (value: unknown): value is Readonly<Record<string, unknown>> =>
  isRecord(value) && value[SIGNATURE] === SECRET;

const secret = (content: unknown) => ({ [SIGNATURE]: SECRET, plaintext: JSON.stringify(content) });

const mapEntries = (value: Readonly<Record<string, unknown>>, map: (key: string, one: unknown) => unknown) =>
  Object.fromEntries(Object.entries(value).map(([key, one]) => [key, map(key, one)]));

function contentOf({ plaintext }: Readonly<Record<string, unknown>>, { urn }: Resource): unknown {
  if (typeof plaintext === "string") return JSON.parse(plaintext);
  throw new Error(`${urn}: expected secrets in the clear. Fix: pulumi stack export --show-secrets`);
}
