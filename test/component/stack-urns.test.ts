/**
 * A state that the program of 51b7e56 made keeps working: every resource has the URN that it had, so that no alias is needed
 * and nothing is replaced for its name. The fixture was recorded by running that program against the same mocks.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { aws } from "../../infra/aws/program.ts";
import { parseSettings } from "../../infra/config/parse.ts";
import { wordForPulumi } from "../../infra/config/problem.ts";
import { RENAMED_KEYS } from "../../infra/config/schema.ts";
import { local } from "../../infra/docker/program.ts";
import { type Registered, runProgram } from "../support/program.ts";

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
    report: () => {},
  };
  const { resources } = await runProgram(
    () => (settings.target === "aws" ? void aws(settings, context) : void local(settings, context)),
    { preview: true, answers },
  );
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

test("the fixture has a stack of each kind, and every kind of data in it", () => {
  expect(Object.keys(recorded)).toEqual(["aws-baked", "aws-closed", "aws-group", "aws-volume", "local", "local-baked"]);
  const urns = Object.values(recorded).flatMap((stack) => stack.urns);
  for (const kept of ["docker:index/volume:Volume", "aws:ebs/volume:Volume", "aws:ecr/repository:Repository"]) {
    expect(urns.some((urn) => urn.includes(kept))).toBe(true);
  }
});
