import { describeProblem, imagegenFix } from "../../../../infra/config/problem.ts";
import { type Check, fail, ok, unknown } from "../../../doctor/check.ts";
import type { AwsFacts } from "./inspect.ts";

/** Offered is not available: only a launch tells that. */
export function offering({
  place,
  caller,
  stack,
  candidates,
}: Pick<AwsFacts, "place" | "stack" | "candidates"> & { readonly caller: { readonly known: boolean } }): Check[] {
  if (!caller.known) return [];
  if (!place.known) return [unknown("offering", place.reason.message)];
  const { choice } = place.value;
  if ("problem" in choice) {
    const { problem } = choice;
    return [fail("offering", describeProblem(problem), imagegenFix(problem.fix, { stack, originOf: () => "file" }))];
  }
  const { types: offered, zone } = choice;
  const missing = [...new Set(candidates.map(({ type }) => type))].filter((type) => !offered.includes(type));
  const not = missing.length === 0 ? "" : `; not offered there: ${missing.join(", ")}`;
  return [ok("offering", `${offered.join(", ")} in ${zone}${not}`)];
}
