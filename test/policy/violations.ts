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
    props: resource.inputs,
    opts: resource.options,
  } as unknown as ResourceValidationArgs;
  for (const { name, validateResource } of among) {
    for (const validate of [validateResource ?? []].flat()) {
      await validate(args, (message) => found.push(`${name} ${message}`));
    }
  }
  return found;
}
