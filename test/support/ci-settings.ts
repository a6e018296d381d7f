import type { CiSettings } from "../../infra/config/ci/settings.ts";
import { parseSettings } from "../../infra/config/parse.ts";
import { wordForPulumi } from "../../infra/config/problem.ts";
import type { CiPlace } from "../../infra/plan/ci/permissions/scopes.ts";
import { type CiPlan, makeCiPlan } from "../../infra/plan/ci/plan.ts";

const REPOSITORY = "org/repo";

/** The settings of a stack for CI with this config and nothing else but a repository. */
export function ciSettings(raw: Readonly<Record<string, string>> = {}, region = "us-east-1"): CiSettings {
  const parsed = parseSettings({ target: "ci", repository: REPOSITORY, ...raw }, { region });
  if ("problems" in parsed) throw new Error(parsed.problems.map(wordForPulumi).join("\n"));
  if (parsed.settings.target !== "ci") throw new Error("another target");
  return parsed.settings;
}

/** The problems of such a config. */
export function ciProblemsOf(raw: Readonly<Record<string, string>>, region = "us-east-1"): readonly string[] {
  const parsed = parseSettings({ target: "ci", repository: REPOSITORY, ...raw }, { region });
  return "problems" in parsed ? parsed.problems.map(wordForPulumi) : [];
}

export const ciPlanWith = (raw: Readonly<Record<string, string>> = {}): CiPlan => makeCiPlan(ciSettings(raw), "ci");

/** Config with every role, and all that one may be given besides. */
export const CI_EXTRAS = {
  canaryStack: "canary",
  mirrorUri: "s3://models/mirror",
  deployKmsKeyArns: "arn:aws:kms:us-east-1:123456789012:key/volumes",
  deploySecretArns: "arn:aws:secretsmanager:us-east-1:123456789012:secret:client-AbCdEf",
  deployVolumeIds: "vol-0a1b2c3d",
  hostResourceArns: "arn:aws:s3:::models,arn:aws:secretsmanager:us-east-1:123456789012:secret:key-AbCdEf",
} as const;

/** An account, and what a stack for CI has in it. */
export const CI_PLACE: CiPlace = {
  partition: "aws",
  region: "us-east-1",
  account: "123456789012",
  bucketArn: "arn:aws:s3:::imagegen-ci-123456789012-us-east-1",
  keyArn: "arn:aws:kms:us-east-1:123456789012:key/of-the-state",
};
