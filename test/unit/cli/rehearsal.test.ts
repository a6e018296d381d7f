import { join } from "node:path";
import { expect, test } from "vitest";
import { Cloud } from "../../../aws-fake/cloud.ts";
import { addExisting, existingKeys, requireKnownTypes } from "../../../cli/rehearsal/account.ts";
import { CASE_NAMES } from "../../../cli/rehearsal/case-names.ts";
import { CASES, casesOf } from "../../../cli/rehearsal/cases.ts";
import { rehearsalEnvironment } from "../../../cli/rehearsal/engine-run.ts";
import { describeRehearsal } from "../../../cli/rehearsal/render.ts";
import { untestedFacts } from "../../../cli/rehearsal/untested-facts.ts";
import { awsSettings } from "../../support/aws-settings.ts";

test("a rehearsal is shown as what is made, what up says, and what only AWS can tell", () => {
  const text = describeRehearsal({
    stack: "prod",
    region: "eu-west-1",
    resources: [
      { type: "aws:ec2/vpc:Vpc", name: "image-gen-vpc", seconds: 0.04 },
      { type: "docker-build:index:Image", name: "image-gen-image", seconds: 12.34 },
    ],
    cases: [
      { name: "capacity", when: "AWS has none", made: 1, message: "No host: none.", fix: "imagegen up --stack prod" },
      { name: "build", when: "the build fails", made: 0, message: "It failed.\nIts log", fix: null },
    ],
    assumed: ["volumeId"],
    onlyAws: ["That it is so."],
  });
  expect(text.split("\n")).toEqual([
    "Rehearsed the stack prod in eu-west-1 against a fake of AWS. Nothing was requested from AWS, and the stack's state was neither read nor changed.",
    "Taken to exist as they are named: volumeId.",
    "",
    "Made, in this order (the rehearsal's own seconds; imagegen plan --stack prod says how long AWS takes):",
    "  1   0.0 s  ec2/vpc             image-gen-vpc",
    "  2  12.3 s  docker-build/image  image-gen-image",
    "",
    "What up says when it fails:",
    "",
    "When AWS has none (capacity; 1 resource is there by then):",
    "  No host: none. Fix: imagegen up --stack prod",
    "When the build fails (build; 0 resources are there by then):",
    "  It failed.",
    "  Its log",
    "",
    "Only AWS can tell (docs/aws-untested.md):",
    "- That it is so.",
  ]);
});

test("the commands of a rehearsal get no credential, profile, proxy or backend of the caller", () => {
  const caller = {
    PATH: "/usr/bin",
    HOME: "/home/me",
    AWS_PROFILE: "prod",
    AWS_ACCESS_KEY_ID: "AKIAEXAMPLE",
    AWS_SESSION_TOKEN: "token",
    AWS_ENDPOINT_URL_SSM: "https://ssm.example",
    HTTPS_PROXY: "http://proxy.example",
    HF_TOKEN: "hf_token",
    PULUMI_ACCESS_TOKEN: "pul-token",
    PULUMI_BACKEND_URL: "s3://state",
    PULUMI_CONFIG_PASSPHRASE: "of the stack",
  };
  const env = rehearsalEnvironment(
    "/rehearsal",
    { AWS_ENDPOINT_URL: "http://127.0.0.1:1", AWS_ACCESS_KEY_ID: "fake" },
    caller,
  );
  expect(env).toMatchObject({
    HOME: "/home/me",
    AWS_ENDPOINT_URL: "http://127.0.0.1:1",
    AWS_ACCESS_KEY_ID: "fake",
    AWS_CONFIG_FILE: join("/rehearsal", "none"),
    AWS_SHARED_CREDENTIALS_FILE: join("/rehearsal", "none"),
    PULUMI_BACKEND_URL: "file:///rehearsal/state",
  });
  expect(
    Object.keys(env)
      .filter((key) => /^(AWS|PULUMI|H)/.test(key))
      .sort(),
  ).toEqual([
    "AWS_ACCESS_KEY_ID",
    "AWS_CONFIG_FILE",
    "AWS_ENDPOINT_URL",
    "AWS_SHARED_CREDENTIALS_FILE",
    "HOME",
    "PULUMI_BACKEND_URL",
    "PULUMI_CONFIG_PASSPHRASE",
    "PULUMI_DEBUG_COMMANDS",
    "PULUMI_HOME",
    "PULUMI_SKIP_UPDATE_CHECK",
  ]);
  expect(env.PULUMI_CONFIG_PASSPHRASE).not.toBe("of the stack");
});

test("what the config names as existing is in the account, in the stack's region and zone", () => {
  const settings = awsSettings(
    {
      subnetId: "subnet-0123456789abcdef0",
      volumeId: "vol-0123456789abcdef0",
      amiId: "ami-0123456789abcdef0",
      availabilityZone: "eu-west-1b",
    },
    "eu-west-1",
  );
  const cloud = new Cloud({}, "eu-west-1");
  addExisting(cloud, settings);
  const subnet = cloud.get("aws:ec2/subnet:Subnet", "subnet-0123456789abcdef0");
  expect(subnet.props).toMatchObject({ availabilityZone: "eu-west-1b", vpcId: "vpc-of-the-rehearsal" });
  expect(cloud.get("aws:ebs/volume:Volume", "vol-0123456789abcdef0").props).toMatchObject({ __bytes: "models" });
  expect(cloud.images.map(({ id }) => id)).toContain("ami-0123456789abcdef0");
  expect(existingKeys(settings)).toEqual(["subnetId", "volumeId", "amiId"]);
  expect(existingKeys(awsSettings())).toEqual([]);
});

test("a type that the fake does not know is refused with those that it knows", () => {
  expect(() => requireKnownTypes(awsSettings(), "prod")).not.toThrow();
  const unknown = awsSettings({ instanceTypes: "p5.48xlarge" });
  expect(() => requireKnownTypes(unknown, "prod")).toThrow(
    /^A rehearsal knows the instance types .*g6\.xlarge.*, not p5\.48xlarge\. Fix: imagegen rehearse --config instanceTypes=g6\.xlarge --stack prod$/,
  );
});

test("the failures have names of their own, and each is one of quota, capacity, rights, build or service", () => {
  const names = CASES.map(({ name }) => name);
  expect(names).toEqual(CASE_NAMES);
  expect([...new Set(names.map((name) => name.split("-")[0]))].sort()).toEqual([
    "build",
    "capacity",
    "quota",
    "rights",
    "service",
  ]);
});

test("without a choice the cases are those that can happen to the stack; one that is asked for and can't is refused in one line", () => {
  const types = new Set(["aws:ec2/instance:Instance", "aws:ebs/volume:Volume"]);
  const names = (asked?: readonly string[]) => casesOf(asked, types, "prod").map(({ name }) => name);
  expect(names()).toEqual(["quota-volume", "rights-host", "quota-host", "capacity", "service"]);
  expect([names(["capacity"]), names([])]).toEqual([["capacity"], []]);
  const refusal = expect.objectContaining({
    exitCode: 2,
    message:
      "--case capacity-group: expected a stack with a resource aws:autoscaling/group:Group, got prod, which has none. Fix: imagegen rehearse --stack prod",
  });
  expect(() => names(["capacity", "capacity-group"])).toThrow(refusal);
});

test("a group is refused for want of the type that its stack has", () => {
  const group = CASES.find(({ name }) => name === "capacity-group");
  const error = group?.knobs?.("p4d.24xlarge").refuses?.["aws:autoscaling/group:Group"];
  expect(String(error)).toContain("sufficient p4d.24xlarge capacity");
  const refusals = CASES.flatMap(({ knobs }) => Object.values(knobs?.("p4d.24xlarge").refuses ?? {}).map(String));
  expect(refusals.length).toBeGreaterThan(3);
  expect(refusals.filter((refusal) => /\bg\d/.test(refusal))).toEqual([]);
});

test("what only AWS can tell is read from the sections of the page, without its markup", () => {
  const page =
    "# Page\n\n- no\n\n## Resources\n\n- That [this](a.md) is so,\n  and that.\n- More.\n\n## Commands\n\n- no\n\n## Hosts\n\n- Last.\n";
  expect(untestedFacts(page)).toEqual(["That this is so, and that.", "More.", "Last."]);
});
