/** What the program itself makes on AWS keeps every rule, in each of its shapes. */
import { expect, test } from "vitest";
import { PROJECT } from "../../infra/contract.ts";
import { rules } from "../../policy/rules/all.ts";
import { WITHOUT_TAGS } from "../../policy/rules/everything-tagged.ts";
import { runStack } from "../support/aws-program.ts";
import { ALB, awsPlanWith, OIDC } from "../support/aws-settings.ts";
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

test.each([
  ["the default", {}],
  ["another order of replacement", { replacement: "delete-first", purchaseOption: "spot" }],
  ["a last snapshot and nightly ones", { onDestroy: "snapshot", snapshots: "daily", alarmTopicArn: TOPIC }],
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
  const found: string[] = [];
  for (const resource of resources) {
    // The engine shows a policy what is made, and not what is only read.
    if (!resource.type.startsWith("aws:") || resource.name.endsWith("-adopted")) continue;
    const inputs = { ...(takesTags(resource.type) ? { tagsAll: TAGS } : {}), ...shown(resource.inputs) };
    for (const line of await violations({ ...resource, inputs }, rules)) found.push(`${resource.name}: ${line}`);
  }
  expect(found).toEqual([]);
});
