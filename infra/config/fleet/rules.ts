import { awsProblems } from "../aws/rules.ts";
import { type Problem, qualifyKey } from "../problem.ts";
import { hostSettings } from "./host-settings.ts";
import type { FleetSettings } from "./settings.ts";

/** Rules between the keys that only a fleet has: each returns a problem, or false. */
const RULES: readonly ((settings: FleetSettings) => Problem | false)[] = [
  ({ minHosts, maxHosts }) =>
    minHosts > maxHosts && problem("maxHosts", `at least minHosts, ${minHosts}`, maxHosts, String(minHosts)),
  ({ patienceSeconds, secondsPerPicture }) =>
    patienceSeconds < LEAST_PICTURES * secondsPerPicture &&
    problem(
      "patienceSeconds",
      `the time of ${LEAST_PICTURES} pictures or more, ${LEAST_PICTURES * secondsPerPicture}`,
      patienceSeconds,
      String(LEAST_PICTURES * secondsPerPicture),
    ),
  ({ subnetIds }) =>
    subnetIds.length === 1 &&
    problem("subnetIds", "two subnets or more, in different zones: spot capacity moves between zones", 1, SUBNETS),
];

/** A host that makes fewer pictures than this within the patience would be too few for its own start. */
const LEAST_PICTURES = 4;
const SUBNETS = "subnet-…,subnet-…";

/** Every problem between keys: of the fleet, and of each of its hosts. */
export function fleetProblems(settings: FleetSettings): readonly Problem[] {
  const own = RULES.map((rule) => rule(settings)).filter((found) => found !== false);
  return [...own, ...awsProblems(hostSettings(settings))];
}

function problem(key: keyof FleetSettings, expected: string, got: number, value: string): Problem {
  return { path: qualifyKey(key), expected, got: String(got), fix: { set: key, value } };
}
