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
  ({ pictureUrlSeconds, resultDays }) =>
    pictureUrlSeconds > resultDays * DAY_SECONDS &&
    problem(
      "pictureUrlSeconds",
      `at most ${resultDays * DAY_SECONDS}, the seconds of resultDays: the bucket deletes all objects after ${resultDays} days`,
      pictureUrlSeconds,
      String(resultDays * DAY_SECONDS),
    ),
  (settings) =>
    settings.network === "endpoints-only" &&
    sendsWebhooks(settings) &&
    settings.environment[WEBHOOK_PRIVATE] !== "1" &&
    problem(
      "network",
      `public or nat with ${WEBHOOK_SECRET}: a webhook's address has to be public, and nothing public can be reached`,
      settings.network,
      "nat",
    ),
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
const DAY_SECONDS = 86_400;
/** The service's own names, of a secret and of what allows addresses inside the network. */
const WEBHOOK_SECRET = "IMAGE_GEN_WEBHOOK_SECRET";
const WEBHOOK_PRIVATE = "IMAGE_GEN_WEBHOOK_PRIVATE";
const SUBNETS = "subnet-…,subnet-…";

/** Whether its hosts and gateways sign webhooks, and so look for pending ones. */
export const sendsWebhooks = ({ environment, environmentSecretArns }: FleetSettings) =>
  WEBHOOK_SECRET in { ...environment, ...environmentSecretArns };

/** Every problem between keys: of the fleet, of each of its hosts, and of its gateway. */
export function fleetProblems(settings: FleetSettings): readonly Problem[] {
  const own = RULES.map((rule) => rule(settings)).filter((found) => found !== false);
  return [...own, ...awsProblems(hostSettings(settings)), ...gatewayProblems(settings)];
}

function problem(key: keyof FleetSettings, expected: string, got: string | number, value: string): Problem {
  return { path: qualifyKey(key), expected, got: String(got), fix: { set: key, value } };
}
