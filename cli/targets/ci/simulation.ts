import type { CiPolicy } from "../../../infra/plan/ci/roles.ts";

type Statement = CiPolicy["statements"][number];

/** A question to IAM's simulation: may a role do these on these, where the keys of the request have these values? */
export interface SimulatedCall {
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly context: readonly { readonly key: string; readonly values: readonly string[] }[];
}

/** Stands for what a wildcard matches. */
const ANY = "example";

/**
 * Calls that a statement allows, one for each resource that it names. The keys of its conditions get values that fulfil them: one that
 * is compared, a value of those that it may have; one that must only be there, any.
 */
export function simulatedCalls({ Action, Resource, Condition = {} }: Statement): readonly SimulatedCall[] {
  const present = Object.entries(Condition.Null ?? {}).filter(([, isAbsent]) => isAbsent === "false");
  const compared = Object.entries(Condition).filter(([operator]) => operator !== "Null");
  const values = new Map(present.map(([key]) => [key, ANY]));
  for (const [key, value] of compared.flatMap(([, keys]) => Object.entries(keys)))
    values.set(key, filled([value].flat()[0] ?? ANY));
  const context = [...values].map(([key, value]) => ({ key, values: [value] }));
  return [Resource].flat().map((resource) => ({
    actions: Action,
    resources: [resource === "*" ? "*" : filled(resource)],
    context,
  }));
}

const filled = (pattern: string) => pattern.replaceAll("*", ANY);
