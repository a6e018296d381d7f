import { balancerProblems, regionProblem } from "../aws/balancer-rules.ts";
import { awsProblems } from "../aws/rules.ts";
import { type Problem, qualifyKey } from "../problem.ts";
import { gatewaySettings, hostSettings } from "./host-settings.ts";
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
  ({ gatewayCount, deletionProtection }) =>
    gatewayCount === 0 &&
    deletionProtection &&
    problem(
      "gatewayCount",
      "1 or more, until an update with deletionProtection false: AWS keeps the load balancer",
      0,
      "1",
    ),
];

/** Rules of the gateway, where there is one. */
function gatewayProblems(settings: FleetSettings): readonly Problem[] {
  const { gatewayCount, apiKeySecretArn, subnetIds } = settings;
  if (gatewayCount === 0) return [];
  const reason = `gatewayCount ${gatewayCount}`;
  const secret = "arn:aws:secretsmanager:…";
  return [
    // Who may send requests, the keys alone say: behind a sign-in there would be no page to sign in for.
    ...(apiKeySecretArn === null
      ? [problem("apiKeySecretArn", `a secret with API keys with ${reason}`, "nothing", secret)]
      : []),
    ...regionProblem(settings, ["certificateArn", "apiKeySecretArn"]),
    ...balancerProblems(gatewaySettings(settings), { isExisting: subnetIds.length > 0, reason }),
  ];
}

/** A host that makes fewer pictures than this within the patience would be too few for its own start. */
const LEAST_PICTURES = 4;
const SUBNETS = "subnet-…,subnet-…";

/** Every problem between keys: of the fleet, of each of its hosts, and of its gateway. */
export function fleetProblems(settings: FleetSettings): readonly Problem[] {
  const own = RULES.map((rule) => rule(settings)).filter((found) => found !== false);
  return [...own, ...awsProblems(hostSettings(settings)), ...gatewayProblems(settings)];
}

function problem(key: keyof FleetSettings, expected: string, got: string | number, value: string): Problem {
  return { path: qualifyKey(key), expected, got: String(got), fix: { set: key, value } };
}
