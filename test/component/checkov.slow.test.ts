/** checkov over the stacks on AWS: each finding is fixed, or is in policy/checkov-accepted.yaml with its reason. */
import { readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { RegistryImage } from "../../infra/aws/image/registry-image.ts";
import { PROJECT } from "../../infra/contract.ts";
import { runAws, runStack } from "../support/aws-program.ts";
import { ALB, awsPlanWith, OIDC } from "../support/aws-settings.ts";
import { type CheckResult, scan } from "../support/checkov/checkov.ts";
import { idOf, outputsOf, terraformPlan } from "../support/checkov/terraform.ts";
import { fleetPlanWith, GATEWAY, runFleet } from "../support/fleet-settings.ts";
import type { Registered } from "../support/program.ts";

interface Accepted {
  readonly check: string;
  readonly resources: readonly string[];
  readonly reason: string;
}

const accepted = parse(readFileSync("policy/checkov-accepted.yaml", "utf8")) as Accepted[];
const KEY = "arn:aws:kms:us-east-1:123456789012:key/1";

const PLANS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "aws-volume": stackFile("aws-volume"),
  "aws-baked": stackFile("aws-baked"),
  balancer: ALB,
  "sign-in": { ...OIDC, network: "nat" },
  closed: { ...ALB, network: "endpoints-only", modelMirror: "s3://bucket/models" },
  healing: { ...ALB, selfHealing: "true", kmsKeyArn: KEY, snapshots: "daily", deletionProtection: "true" },
};

const FLEETS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "aws-fleet": stackFile("aws-fleet"),
  gateway: GATEWAY,
  "closed-fleet": { network: "endpoints-only", modelMirror: "s3://bucket/models", kmsKeyArn: KEY, dashboard: "true" },
};

/** The project's keys of a stack's file. */
function stackFile(name: string): Record<string, string> {
  const { config } = parse(readFileSync(`stacks/Pulumi.${name}.yaml`, "utf8")) as { config: Record<string, string> };
  const own = Object.entries(config).filter(([key]) => key.startsWith(`${PROJECT}:`));
  return Object.fromEntries(own.map(([key, value]) => [key.slice(PROJECT.length + 1), String(value)]));
}

async function resourcesOf(raw: Readonly<Record<string, string>>): Promise<readonly Registered[]> {
  const plan = awsPlanWith(raw);
  const more = { latestVersion: 3, dnsName: "alb.example", repositoryUrl: "1.dkr.example/r", digest: "sha256:1" };
  const outputs = (resource: { type: string; name: string }) => outputsOf(resource, { ...more, name: resource.name });
  const login = { "aws:ecr/getAuthorizationToken:getAuthorizationToken": { userName: "AWS", password: "x" } };
  const stack = await runStack(plan, "us-east-1b", { idOf, outputs });
  const image = await runAws(() => void new RegistryImage("image-gen", { plan: plan.image }), {
    idOf,
    outputs,
    answers: login,
  });
  return [...stack.resources, ...image.resources];
}

async function resourcesOfFleet(raw: Readonly<Record<string, string>>): Promise<readonly Registered[]> {
  const more = { latestVersion: 3 };
  const outputs = (resource: { type: string; name: string }) =>
    outputsOf(resource, { ...more, name: resource.name, url: resource.name });
  return (await runFleet(fleetPlanWith(raw), { idOf, outputs })).resources;
}

let failed: readonly CheckResult[] = [];
let passed: readonly CheckResult[] = [];

beforeAll(async () => {
  const plans: Record<string, object> = {};
  for (const [name, raw] of Object.entries(PLANS)) plans[name] = terraformPlan(await resourcesOf(raw));
  for (const [name, raw] of Object.entries(FLEETS)) plans[name] = terraformPlan(await resourcesOfFleet(raw));
  const open = await resourcesOf({});
  const withoutGroup = open.filter(({ type }) => !type.includes("defaultSecurityGroup"));
  plans.open = terraformPlan(withoutGroup);
  ({ failed, passed } = await scan(plans));
}, 600_000);

const inPlans = (findings: readonly CheckResult[]) => findings.filter(({ plan }) => plan in PLANS || plan in FLEETS);

test("each finding is accepted, with a reason", () => {
  const known = new Set(
    accepted.flatMap(({ check, resources }) => resources.map((resource) => `${check} ${resource}`)),
  );
  const lines = inPlans(failed).filter(({ check, resource }) => !known.has(`${check} ${resource}`));
  expect(lines.map(({ plan, check, resource, title }) => `${plan}: ${check} ${resource}: ${title}`)).toEqual([]);
});

test("each accepted finding is still found", () => {
  const found = new Set(inPlans(failed).map(({ check, resource }) => `${check} ${resource}`));
  const listed = accepted.flatMap(({ check, resources }) => resources.map((resource) => `${check} ${resource}`));
  expect(listed.filter((line) => !found.has(line))).toEqual([]);
  expect(accepted.filter(({ reason }) => reason.length < 20)).toEqual([]);
});

test("the scan sees every plan, and what belongs together in it", () => {
  expect([...new Set(passed.map(({ plan }) => plan))].sort()).toEqual(
    [...Object.keys(PLANS), ...Object.keys(FLEETS), "open"].sort(),
  );
  // The VPC's flow logs and default security group, the bucket's public access block, the instance's IMDSv2, the disks' encryption.
  for (const check of ["CKV2_AWS_11", "CKV2_AWS_12", "CKV2_AWS_6", "CKV_AWS_79", "CKV_AWS_3", "CKV_AWS_91"])
    expect(passed.map((finding) => finding.check)).toContain(check);
  const without = failed.filter(({ plan, check }) => plan === "open" && check === "CKV2_AWS_12");
  expect(without.map(({ resource }) => resource)).toEqual(["aws_vpc.image-gen-vpc"]);
  const protectedOnes = passed.filter(({ check }) => check === "CKV_AWS_150").map(({ plan }) => plan);
  expect(protectedOnes).toEqual(["healing"]);
});
