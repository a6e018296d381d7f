/** What a stack's state holds in secret, and what a preview that may read no secret asks AWS: as the documents say. */
import { readdirSync, readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { aws } from "../../infra/aws/program.ts";
import { parseSettings } from "../../infra/config/parse.ts";
import { wordForPulumi } from "../../infra/config/problem.ts";
import { PROJECT, SECRET_PLACEHOLDER } from "../../infra/contract.ts";
import { local } from "../../infra/docker/program.ts";
import { ALB, OIDC } from "../support/aws-settings.ts";
import { runProgram } from "../support/program.ts";

type Config = Readonly<Record<string, string>>;

const ANSWERS = {
  "aws:index/getAvailabilityZones:getAvailabilityZones": { names: ["us-east-1a", "us-east-1b"] },
  "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": {
    instanceTypes: ["g6.xlarge", "g6.xlarge"],
    locations: ["us-east-1a", "us-east-1d"],
  },
  "aws:ssm/getParameter:getParameter": { value: "ami-0123456789abcdef0" },
  "aws:ec2/getSubnet:getSubnet": { vpcId: "vpc-0123456789abcdef0", availabilityZone: "us-east-1d" },
  "aws:ecr/getAuthorizationToken:getAuthorizationToken": { userName: "AWS", password: "of twelve hours" },
  "aws:secretsmanager/getSecretVersion:getSecretVersion": { secretString: "sesame" },
};

/** A preview of the whole program with this config, the secrets among it. */
async function preview(config: Config, secrets: Config = {}) {
  const asked = new Set<string>();
  const answers = new Proxy(ANSWERS, {
    get(all, token) {
      asked.add(String(token));
      return all[token as keyof typeof ANSWERS];
    },
  });
  const parsed = parseSettings({ ...config, ...secrets }, { region: "us-east-1", secretKeys: Object.keys(secrets) });
  if ("problems" in parsed) throw new Error(parsed.problems.map(wordForPulumi).join("\n"));
  const { settings } = parsed;
  const hidden = Object.fromEntries(Object.entries(secrets).map(([key, value]) => [key, pulumi.secret(value)]));
  const stack = { name: "image-gen", stack: "a-stack", checkout: "/a/checkout", preview: true, report: () => {} };
  const { resources } = await runProgram(
    () => {
      const context = { ...stack, secrets: hidden };
      return settings.target === "aws" ? void aws(settings, context) : void local(settings, context);
    },
    { preview: true, answers },
  );
  return { resources, asked: [...asked].sort() };
}

const stacks = readdirSync("stacks").map((file) => {
  const { config } = parse(readFileSync(`stacks/${file}`, "utf8")) as { config: Config };
  const own = Object.entries(config).filter(([key]) => key.startsWith(`${PROJECT}:`));
  const ownConfig = Object.fromEntries(own.map(([key, value]) => [key.slice(PROJECT.length + 1), value]));
  return { name: file.replace(/^Pulumi\.|\.yaml$/g, ""), config: ownConfig };
});

/** Every secret that the stack's target takes: as the config's, and by the options that look one up. */
function everySecret({ target = "local" }: Config): { config: Config; secrets: Config } {
  const proxy = "http://user:password@proxy.example:3128";
  const secrets: Config = {
    hfToken: "hf_x",
    apiKey: "k",
    httpProxy: proxy,
    httpsProxy: proxy,
    hubEndpoint: proxy,
    environment: "A_TOKEN=x",
  };
  if (target === "local") return { config: {}, secrets };
  return { config: OIDC, secrets: { hfToken: "hf_x" } };
}

/** The rows of SECURITY.md's table: the stacks, the resource, the property. */
const rows = [...readFileSync("SECURITY.md", "utf8").matchAll(/^\| (`.+`) \| `(\S+:\S+)` \| `(\w+)` \|/gm)].map(
  ([, names = "", type = "", property = ""]) => ({ names: names.replaceAll("`", "").split(", "), type, property }),
);

describe.each(stacks)("of the stack $name", ({ name, config }) => {
  test("SECURITY.md lists the secrets that the state can hold", async () => {
    const all = everySecret(config);
    const { resources } = await preview({ ...config, ...all.config }, all.secrets);
    const held = resources.flatMap(({ type, inputs }) => {
      const secret = Object.entries(inputs).filter(([, value]) => JSON.stringify(value)?.includes('{"secret":'));
      return secret.map(([property]) => `${type} ${property}`);
    });
    const listed = rows.filter(({ names }) => names.includes(name)).map(({ type, property }) => `${type} ${property}`);
    expect(listed.sort()).toEqual([...new Set(held)].sort());
  });
});

test("the table names no stack that is not there", () => {
  expect([...new Set(rows.flatMap(({ names }) => names))].sort()).toEqual(stacks.map(({ name }) => name).sort());
});

/** The action of IAM behind each function that a preview calls. */
const ACTIONS: Readonly<Record<string, string>> = {
  "aws:index/getAvailabilityZones:getAvailabilityZones": "ec2:DescribeAvailabilityZones",
  "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": "ec2:DescribeInstanceTypeOfferings",
  "aws:ec2/getSubnet:getSubnet": "ec2:DescribeSubnets",
  "aws:ssm/getParameter:getParameter": "ssm:GetParameter",
};
const existing = { vpcId: "vpc-0123456789abcdef0", subnetId: "subnet-0123456789abcdef0" };
const albSubnetIds = "subnet-0123456789abcdef1,subnet-0123456789abcdef2";
const OPTIONS: readonly Config[] = [
  {},
  { modelCache: "baked", network: "endpoints-only" },
  ALB,
  OIDC,
  { ...OIDC, ...existing, albSubnetIds },
  { selfHealing: "true", purchaseOption: "spot", snapshots: "daily" },
];

test("a preview without secrets asks for none, and what it asks for is what its role may do", async () => {
  const asked = new Set<string>();
  for (const config of OPTIONS) {
    const { resources, asked: tokens } = await preview({ target: "aws", previewWithoutSecrets: "true", ...config });
    for (const token of tokens) asked.add(ACTIONS[token] ?? `an action for ${token}`);
    expect(JSON.stringify(resources)).not.toMatch(/of twelve hours|sesame/);
    expect(JSON.stringify(resources)).toContain(SECRET_PLACEHOLDER);
  }
  const guide = readFileSync("docs/guides/deploy-from-ci.md", "utf8");
  const [, policy = ""] = /```json\n([^`]*"ReadsOfAPreview"[^`]*)```/.exec(guide) ?? [];
  const { Statement } = JSON.parse(policy) as { Statement: { Action: string | string[]; Resource: string }[] };
  const allowed = Statement.flatMap(({ Action }) => Action);
  // The provider asks for the types itself when a host's changes; the last is the copy of the state.
  expect(allowed.sort()).toEqual([...asked, "ec2:DescribeInstanceTypes", "s3:GetObject"].sort());
  const object = Statement.find(({ Action }) => Action === "s3:GetObject");
  expect(object?.Resource).toBe("arn:aws:s3:::<bucket>/previews/*");
});
