/** What a load balancer asks of config, whichever target has one. */
import { LONGEST_IDLE_TIMEOUT_SECONDS } from "../../contract.ts";
import { type Problem, qualifyKey } from "../problem.ts";
import type { AwsSettings } from "./settings.ts";

type BalancerSettings = Pick<
  AwsSettings,
  "certificateArn" | "requestTimeoutSeconds" | "allowedCidrs" | "allowPublic" | "albSubnetIds"
>;

interface BalancerFacts {
  /** Whether the network is one that is there. */
  readonly isExisting: boolean;
  /** Why there is a balancer: the key with its value. */
  readonly reason: string;
}

/** The balancer waits a little longer than the service, whose own answer then reaches the client. */
const MOST_REQUEST_SECONDS = LONGEST_IDLE_TIMEOUT_SECONDS - 20;

/** Wider than anybody's own network: two halves of the internet are as open as the whole. */
const isVast = (cidr: string) => Number(cidr.split("/")[1]) < 8;

const RULES: readonly ((settings: BalancerSettings, facts: BalancerFacts) => Problem | false)[] = [
  ({ certificateArn }, { reason }) =>
    certificateArn === null && problem("certificateArn", `a certificate with ${reason}`, "nothing", "arn:aws:acm:…"),
  ({ requestTimeoutSeconds: seconds }) =>
    seconds > MOST_REQUEST_SECONDS &&
    problem("requestTimeoutSeconds", `at most ${MOST_REQUEST_SECONDS}, what a load balancer waits for`, seconds, "600"),
  ({ allowedCidrs }) =>
    allowedCidrs.length === 0 &&
    problem("allowedCidrs", "who may reach the load balancer", "nothing", "203.0.113.0/24"),
  ({ allowedCidrs, allowPublic }) =>
    allowedCidrs.some(isVast) &&
    !allowPublic &&
    problem("allowPublic", `true with ${allowedCidrs.find(isVast)} in allowedCidrs`, "false", "true"),
  ({ albSubnetIds }, { isExisting }) =>
    isExisting &&
    albSubnetIds.length < 2 &&
    problem("albSubnetIds", "two subnets in two zones", albSubnetIds.length, "subnet-…,subnet-…"),
];

/** Every problem of the keys that a load balancer reads. */
export function balancerProblems(settings: BalancerSettings, facts: BalancerFacts): readonly Problem[] {
  return RULES.map((rule) => rule(settings, facts)).filter((found) => found !== false);
}

type Arns = string | readonly string[] | Readonly<Record<string, string>> | null;

/** The first of the keys that has an ARN of another region: none, or one problem. */
export function regionProblem<Key extends string>(
  settings: Readonly<Record<Key, Arns>> & Pick<AwsSettings, "region">,
  keys: readonly Key[],
): readonly Problem[] {
  const { region } = settings;
  const found = keys
    .map((key) => [key, arnElsewhere(settings[key], region)] as const)
    .find(([, arn]) => arn !== undefined);
  if (!found) return [];
  const [key, got = ""] = found;
  const value = got.replace(/^((?:[^:]*:){3})[^:]*/, `$1${region}`);
  return [problem(key, `an ARN of ${region}, where the stack is`, got, exampleOf(key, value))];
}

/** The first ARN of another region in a value. */
function arnElsewhere(value: Arns, region: string): string | undefined {
  const arns = value === null ? [] : typeof value === "string" ? [value] : Object.values(value);
  return arns.find((arn) => arn.split(":")[3] !== region);
}

/** Each of them exists only where it was made: the fix names its form, and not what nobody has made. */
const exampleOf = (key: string, arn: string) => {
  const form = arn.replace(/[^:/]+$/, "…");
  return key === "environmentSecretArns" ? `<NAME>=${form}` : form;
};

function problem(key: string, expected: string, got: string | number, value: string): Problem {
  return { path: qualifyKey(key), expected, got: String(got), fix: { set: key, value } };
}
