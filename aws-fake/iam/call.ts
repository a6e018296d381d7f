import { type Props, record, text } from "../kind.ts";
import type { ApiCall } from "./evaluate.ts";

export type Verb = "create" | "delete" | "read" | "update";

/** A resource, before it is made (`id` is empty) or after. */
export interface TargetResource {
  readonly type: string;
  readonly id: string;
  /** The inputs; of what is there, all that is known. */
  readonly props: Props;
  /** Of an update: what it is to become. */
  readonly news?: Props;
}

/** The calls of a resource, by what is done to it. */
export type CallsByVerb = Readonly<Record<Verb, readonly ApiCall[]>>;

export function call(action: string, resource: string, keys: ApiCall["keys"] = {}): ApiCall {
  return { action, resource, keys };
}

export const calls = (resource: string, ...actions: readonly string[]) =>
  actions.map((action) => call(action, resource));

export const textOrNone = (value: unknown) => text(value) || undefined;

/** Tags that a request gives. */
export function requestKeys(tags: unknown): NonNullable<ApiCall["keys"]> {
  const all = Object.entries(record(tags));
  return {
    "aws:TagKeys": all.map(([key]) => key),
    ...Object.fromEntries(all.map(([key, value]) => [`aws:RequestTag/${key}`, text(value)])),
  };
}

/** Tags that a resource has. */
export function ownKeys(tags: unknown): NonNullable<ApiCall["keys"]> {
  return Object.fromEntries(
    Object.entries(record(tags)).map(([key, value]) => [`aws:ResourceTag/${key}`, text(value)]),
  );
}
