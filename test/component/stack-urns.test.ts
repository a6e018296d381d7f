/**
 * A state that an earlier program made keeps working: every resource has the URN that it had, so that no alias is needed
 * and nothing is replaced for its name. That of 51b7e56 was recorded by running it against the same mocks, the others are
 * states that the real engine exported.
 */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseSettings } from "../../infra/config/parse.ts";
import { wordForPulumi } from "../../infra/config/problem.ts";
import { RENAMED_KEYS } from "../../infra/config/schema.ts";
import { PROJECT } from "../../infra/contract.ts";
import { checkoutFixes } from "../../infra/fixes.ts";
import { recordedConfig, recordedStacks, recordedState, VERSIONS } from "../support/fixtures.ts";
import { type Registered, runProgram } from "../support/program.ts";
import { runTarget } from "../support/whole-program.ts";

interface Recorded {
  /** With the keys of that version. */
  readonly config: Readonly<Record<string, string>>;
  /** Without stack and project: the types of the parents and of the resource, and its name. */
  readonly urns: readonly string[];
}

const recorded = JSON.parse(readFileSync("test/component/fixtures/urns-51b7e56.json", "utf8")) as Record<
  string,
  Recorded
>;

/** What AWS's lookups find in a preview. */
const answers = {
  "aws:index/getAvailabilityZones:getAvailabilityZones": { names: ["us-east-1a", "us-east-1b"] },
  "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": {
    instanceTypes: ["g6.xlarge"],
    locations: ["us-east-1a"],
  },
  "aws:ssm/getParameter:getParameter": { value: "ami-0123456789abcdef0" },
  "aws:index/getCallerIdentity:getCallerIdentity": { accountId: "123456789012" },
  "aws:ecr/getAuthorizationToken:getAuthorizationToken": { userName: "AWS", password: "x" },
};

/** The URN's end, from the URN of the parent as the mocks record it. */
function urnOf({ type, name, options }: Registered): string {
  const parents = options.parent.split("::")[0] ?? "";
  return `${parents === "" ? "" : `${parents}$`}${type}::${name}`;
}

async function resourcesOf(stack: string, config: Readonly<Record<string, string>>): Promise<readonly Registered[]> {
  const renamed = Object.entries(config).map(([key, value]) => [RENAMED_KEYS[key] ?? key, value]);
  const parsed = parseSettings(Object.fromEntries(renamed) as Record<string, string>, { region: "us-east-1" });
  if ("problems" in parsed) throw new Error(parsed.problems.map(wordForPulumi).join("\n"));
  const { settings } = parsed;
  const context = {
    name: "image-gen",
    stack,
    checkout: "/a/checkout",
    preview: true,
    secrets: {},
    fixes: checkoutFixes(stack),
    report: () => {},
  };
  const { resources } = await runProgram(() => runTarget(settings, context), { preview: true, answers });
  return resources;
}

/** What a stack on AWS has besides, since then. */
function added({ target, subnetId, access }: Readonly<Record<string, string>>): readonly string[] {
  if (target !== "aws") return [];
  const network = [
    "ec2/defaultSecurityGroup:DefaultSecurityGroup::image-gen-default",
    "cloudwatch/logGroup:LogGroup::image-gen-flow-logs",
    "ec2/flowLog:FlowLog::image-gen-flow-logs",
    "iam/role:Role::image-gen-flow-logs",
    "iam/rolePolicy:RolePolicy::image-gen-flow-logs",
  ];
  const balancer = [
    "s3/bucket:Bucket",
    "s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "s3/bucketPolicy:BucketPolicy",
    "s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
  ];
  return [
    "imagegen:host:AwsHost$aws:cloudwatch/metricAlarm:MetricAlarm::image-gen-heartbeat",
    ...(subnetId ? [] : network.map((urn) => `imagegen:host:AwsNetwork$aws:${urn}`)),
    ...(access === "alb" ? balancer.map((urn) => `imagegen:host:AwsAccess$aws:${urn}::image-gen-alb-logs`) : []),
  ];
}

describe.each(Object.entries(recorded))("the stack %s of 51b7e56", (stack, { config, urns }) => {
  test("has the same URNs: none is lost, and what is new is new on purpose", async () => {
    const resources = await resourcesOf(stack, config);
    expect(resources.map(urnOf).sort()).toEqual([...urns, ...added(config)].sort());
  });
});

/** Without stack and project: the types of the parents and of the resource, and its name. */
function urnsOf(version: string, stack: string): string[] {
  const { resources = [] } = recordedState(version, stack).deployment;
  const own = resources.filter(({ type }) => !type.startsWith("pulumi:"));
  return own.map(({ urn }) => urn.split("::").slice(2).join("::").replace("pulumi:pulumi:Stack$", ""));
}

describe.each(VERSIONS)("the states of %s", (version) => {
  test.each(recordedStacks(version))("%s: every resource has the URN that it had", async (stack) => {
    const config = Object.entries(recordedConfig(version, stack)).filter(([key]) => key.startsWith(`${PROJECT}:`));
    const own = Object.fromEntries(config.map(([key, value]) => [key.slice(PROJECT.length + 1), value]));
    const now = (await resourcesOf(stack, own)).map(urnOf);
    expect(urnsOf(version, stack).filter((urn) => !now.includes(urn))).toEqual([]);
    expect(urnsOf(version, stack).length).toBeGreaterThan(3);
  });
});

test("the fixture has a stack of each kind, and every kind of data in it", () => {
  expect(Object.keys(recorded)).toEqual(["aws-baked", "aws-closed", "aws-group", "aws-volume", "local", "local-baked"]);
  const urns = Object.values(recorded).flatMap((stack) => stack.urns);
  for (const kept of ["docker:index/volume:Volume", "aws:ebs/volume:Volume", "aws:ecr/repository:Repository"]) {
    expect(urns.some((urn) => urn.includes(kept))).toBe(true);
  }
});
