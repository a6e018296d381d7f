/** What the program itself makes on AWS keeps every rule, in each of its shapes. */
import { expect, test } from "vitest";
import { ci } from "../../infra/aws/ci/program.ts";
import { PROJECT } from "../../infra/contract.ts";
import { rules } from "../../policy/rules/all.ts";
import { WITHOUT_TAGS } from "../../policy/rules/everything-tagged.ts";
import { runAws, runStack } from "../support/aws-program.ts";
import { ALB, awsPlanWith, OIDC } from "../support/aws-settings.ts";
import { CI_EXTRAS, ciSettings } from "../support/ci-settings.ts";
import { fleetPlanWith, GATEWAY, runFleet } from "../support/fleet-settings.ts";
import type { Registered } from "../support/program.ts";
import { violations } from "./violations.ts";

const TOPIC = "arn:aws:sns:us-east-1:123456789012:alarms";
const KEY = "arn:aws:kms:us-east-1:123456789012:key/1";
const CLOSED = { network: "endpoints-only", modelCache: "baked" };
/** The provider adds these to all that can have them; mocks have no provider. */
const TAGS = { "imagegen:project": PROJECT, "imagegen:stack": "prod" };

const takesTags = (type: string) => !WITHOUT_TAGS.includes(type);

/** A policy sees what is in a secret. */
function shown(inputs: Record<string, unknown>): Record<string, unknown> {
  const plain = (value: unknown) =>
    typeof value === "object" && value !== null && "secret" in value ? value.secret : value;
  return Object.fromEntries(Object.entries(inputs).map(([key, value]) => [key, plain(value)]));
}

/** The rules that the resources break, with the tags that the provider adds. */
async function brokenRules(resources: readonly Registered[]): Promise<string[]> {
  const found: string[] = [];
  for (const resource of resources) {
    // The engine shows a policy what is made, and not what is only read.
    if (!resource.type.startsWith("aws:") || resource.name.endsWith("-adopted")) continue;
    const inputs = { ...(takesTags(resource.type) ? { tagsAll: TAGS } : {}), ...shown(resource.inputs) };
    for (const line of await violations({ ...resource, inputs }, rules)) found.push(`${resource.name}: ${line}`);
  }
  return found;
}

test.each([{}, CI_EXTRAS, { ciProvider: "gitlab" }])("what deployments from CI need: %j", async (raw) => {
  const outputs = ({ name }: { name: string }) => ({ arn: `arn:aws:x:::${name}`, keyId: "k" });
  const { resources } = await runAws(() => ci(ciSettings(raw), { stack: "ci" }), { outputs });
  expect(resources.some(({ type }) => type === "aws:iam/policy:Policy")).toBe(true);
  expect(await brokenRules(resources)).toEqual([]);
});

test.each([
  {},
  { minHosts: "1", rescueHosts: "0", dashboard: "true", resultsOnDestroy: "delete" },
  { ...CLOSED, modelMirror: "s3://bucket/models", kmsKeyArn: KEY, alarmTopicArn: TOPIC },
  { network: "nat" },
  GATEWAY,
  { ...GATEWAY, network: "nat", dashboard: "true", kmsKeyArn: KEY, decryptKmsKeyArns: KEY },
])("a fleet: %j", async (raw) => {
  const { resources } = await runFleet(fleetPlanWith(raw as Record<string, string>));
  expect(resources.some(({ type }) => type === "aws:sqs/queue:Queue")).toBe(true);
  expect(await brokenRules(resources)).toEqual([]);
});

test.each([
  ["the default", {}],
  ["another order of replacement", { replacement: "delete-first", purchaseOption: "spot" }],
  ["a last snapshot and nightly ones", { onDestroy: "snapshot", snapshots: "daily", alarmTopicArn: TOPIC }],
  ["a budget", { monthlyBudgetUsd: "300", alarmTopicArn: TOPIC }],
  ["a NAT gateway", { network: "nat" }],
  ["no internet access", { ...CLOSED, modelMirror: "s3://bucket/models" }],
  ["a load balancer with a key, and a dashboard", { ...ALB, dashboard: "true" }],
  ["a load balancer with sign-in", { ...OIDC }],
  ["a group that heals itself", { ...ALB, selfHealing: "true" }],
  [
    "a customer's key",
    { selfHealing: "true", purchaseOption: "spot", kmsKeyArn: KEY, modelMirror: "s3://bucket/models" },
  ],
  ["an adopted volume", { volumeId: "vol-0a1b2c3d" }],
])("%s", async (_, raw) => {
  const { resources } = await runStack(awsPlanWith(raw as Record<string, string>));
  expect(await brokenRules(resources)).toEqual([]);
});
