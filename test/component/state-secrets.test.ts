/** What a stack's state holds in secret, and what a preview that may read no secret asks AWS: as the documents say. */

import { readdirSync, readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { parseSettings } from "../../infra/config/parse.ts";
import { wordForPulumi } from "../../infra/config/problem.ts";
import { PROJECT, SECRET_PLACEHOLDER } from "../../infra/contract.ts";
import { checkoutFixes } from "../../infra/fixes.ts";
import { LOOKUPS } from "../../infra/plan/ci/permissions/lookups.ts";
import { rolePolicies } from "../../infra/plan/ci/roles.ts";
import { ALB, OIDC } from "../support/aws-settings.ts";
import { CI_PLACE, ciPlanWith } from "../support/ci-settings.ts";
import { runProgram } from "../support/program.ts";
import { runTarget } from "../support/whole-program.ts";

type Config = Readonly<Record<string, string>>;

const ANSWERS = {
  "aws:index/getAvailabilityZones:getAvailabilityZones": { names: ["us-east-1a", "us-east-1b"] },
  "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": {
    instanceTypes: ["g6.xlarge", "g6.xlarge"],
    locations: ["us-east-1a", "us-east-1d"],
  },
  "aws:index/getCallerIdentity:getCallerIdentity": { accountId: "123456789012" },
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
  const stack = {
    name: "image-gen",
    stack: "a-stack",
    checkout: "/a/checkout",
    preview: true,
    fixes: checkoutFixes("a-stack"),
    report: () => {},
  };
  const { resources } = await runProgram(() => runTarget(settings, { ...stack, secrets: hidden }), {
    preview: true,
    answers,
  });
  return { resources, asked: [...asked].sort() };
}

const stacks = readdirSync("stacks").map((file) => {
  const { config } = parse(readFileSync(`stacks/${file}`, "utf8")) as { config: Config };
  const own = Object.entries(config).filter(([key]) => key.startsWith(`${PROJECT}:`));
  const ownConfig: Config = Object.fromEntries(own.map(([key, value]) => [key.slice(PROJECT.length + 1), value]));
  // Which repository is the user's to say.
  const repository: Config = ownConfig.target === "ci" ? { repository: "org/repo" } : {};
  return { name: file.replace(/^Pulumi\.|\.yaml$/g, ""), config: { ...ownConfig, ...repository } };
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
  if (target === "ci") return { config: {}, secrets: {} };
  if (target === "fleet") return { config: {}, secrets: { hfToken: "hf_x" } };
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

test("the table names each stack of a service, and no other: what CI needs is no secret", () => {
  const services = stacks.filter(({ config }) => config.target !== "ci").map(({ name }) => name);
  expect([...new Set(rows.flatMap(({ names }) => names))].sort()).toEqual(services.sort());
});

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

/** What IAM calls a function of the provider. */
const actionsOf = (token: string) =>
  Object.values(LOOKUPS[token]?.grants ?? { none: [`an action for ${token}`] }).flat();

test("a preview without secrets asks for none, and what it asks for is what its role may do", async () => {
  const asked = new Set<string>();
  for (const config of OPTIONS) {
    const { resources, asked: tokens } = await preview({ target: "aws", previewWithoutSecrets: "true", ...config });
    for (const token of tokens) for (const action of actionsOf(token)) asked.add(action);
    expect(JSON.stringify(resources)).not.toMatch(/of twelve hours|sesame/);
    expect(JSON.stringify(resources)).toContain(SECRET_PLACEHOLDER);
  }
  // The provider asks for the types itself when a host's changes; the last is the copy of the state.
  const [policy] = rolePolicies("preview", ciPlanWith(), CI_PLACE);
  const allowed = (policy?.statements ?? []).flatMap(({ Action }) => Action);
  expect(allowed.sort()).toEqual([...asked, "ec2:DescribeInstanceTypes", "s3:GetObject"].sort());
});
