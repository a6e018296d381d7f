import { types } from "node:util";
import type { ResourceValidationArgs, ResourceValidationPolicy } from "@pulumi/policy";
import { rules } from "../../policy/rules/all.ts";
import type { Registered } from "../support/program.ts";

/** What each rule reports about one resource. */
export async function violations(
  resource: Registered,
  among: readonly ResourceValidationPolicy[] = rules,
): Promise<string[]> {
  const found: string[] = [];
  const args = {
    type: resource.type,
    name: resource.name,
    props: withoutMarks(resource.inputs),
    opts: resource.options,
  } as unknown as ResourceValidationArgs;
  for (const { name, validateResource } of among) {
    for (const validate of [validateResource ?? []].flat()) {
      await validate(args, (message) => found.push(`${name} ${message}`));
    }
  }
  return found;
}

/** The engine gives a policy the values of secrets, without their marks. */
function withoutMarks(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutMarks);
  // A proxy stands for inputs of a preview, and throws where one of them is read that is not known.
  if (typeof value !== "object" || value === null || types.isProxy(value)) return value;
  if ("secret" in value && Object.keys(value).length === 1) return withoutMarks(value.secret);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutMarks(inner)]));
}
