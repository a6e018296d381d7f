import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { afterEach, describe, expect, test } from "vitest";
import { awsRules } from "../../policy/rules/all.ts";
import { everythingTagged, TAGS, WITHOUT_TAGS } from "../../policy/rules/everything-tagged.ts";
import { containers, deployment, good, packed, policyOf } from "./aws-stack.ts";
import { violations } from "./violations.ts";

/** One resource of the good stack. */
function named(name: string) {
  const found = good().find((resource) => resource.name === name);
  if (!found) throw new Error(`the stack has no ${name}`);
  return found;
}

const allow = (Action: unknown, Resource: unknown) => ({ policy: policyOf({ Effect: "Allow", Action, Resource }) });
const KEY = `AKIA${"0123456789ABCDEF"}`;

/** rule, the resource that is changed, and the change that breaks it. */
const BAD: readonly (readonly [string, string, Record<string, unknown>])[] = [
  ["volumes-encrypted", "volume", { encrypted: false }],
  ["volumes-encrypted", "volume", { encrypted: undefined }],
  ["volumes-encrypted", "instance", { rootBlockDevice: undefined }],
  ["volumes-encrypted", "instance", { rootBlockDevice: { volumeSize: 60 } }],
  ["volumes-encrypted", "instance", { ebsBlockDevices: [{ deviceName: "/dev/sdg" }] }],
  ["volumes-encrypted", "template", { blockDeviceMappings: [] }],
  ["volumes-encrypted", "template", { blockDeviceMappings: [{ ebs: { encrypted: "false" } }] }],
  ["imdsv2-required", "instance", { metadataOptions: { httpTokens: "optional", httpPutResponseHopLimit: 1 } }],
  ["imdsv2-required", "instance", { metadataOptions: { httpTokens: "required", httpPutResponseHopLimit: 2 } }],
  ["imdsv2-required", "template", { metadataOptions: { httpTokens: "required" } }],
  ["no-open-ingress", "group-of-host", { ingress: [{ cidrBlocks: ["10.0.0.0/8", "0.0.0.0/0"] }] }],
  ["no-open-ingress", "group-of-host", { ingress: [{ ipv6CidrBlocks: ["::/0"] }] }],
  ["no-open-ingress", "group-of-host", { ingress: [{ cidrBlocks: ["0.0.0.0/1", "128.0.0.0/1"] }] }],
  ["no-open-ingress", "ingress", { cidrIpv4: "0.0.0.0/0" }],
  ["no-open-ingress", "ingress", { cidrIpv4: undefined, cidrIpv6: "::/0" }],
  ["no-open-ingress", "egress", { type: "ingress" }],
  ["iam-least-privilege", "grants", allow("ecr:*", "arn:aws:ecr:us-east-1:1:repository/x")],
  ["iam-least-privilege", "grants", allow("*", "arn:aws:ecr:us-east-1:1:repository/x")],
  ["iam-least-privilege", "grants", allow(["ecr:GetAuthorizationToken", "s3:GetObject"], "*")],
  ["iam-least-privilege", "grants", allow("s3:GetObject", ["arn:aws:s3:::*"])],
  ["iam-least-privilege", "grants", allow("ec2:DescribeInstanceAttribute", "*")],
  ["iam-least-privilege", "grants", allow("ec2:DescribeVpcAttribute", "*")],
  ["iam-least-privilege", "grants", allow("ec2:DescribeVolumeAttribute", "*")],
  ["iam-least-privilege", "grants", allow("ec2:DescribeImageAttribute", "*")],
  [
    "iam-least-privilege",
    "grants",
    { policy: policyOf({ Effect: "Allow", NotAction: "iam:PassRole", Resource: "arn:x" }) },
  ],
  ["iam-least-privilege", "core", { policyArn: "arn:aws:iam::aws:policy/AmazonEC2FullAccess" }],
  ["iam-least-privilege", "role", { managedPolicyArns: ["arn:aws:iam::aws:policy/AdministratorAccess"] }],
  ["iam-least-privilege", "role", { inlinePolicies: [{ name: "x", ...allow("s3:*", "arn:aws:s3:::bucket") }] }],
  [
    "iam-least-privilege",
    "role",
    { assumeRolePolicy: policyOf({ Effect: "Allow", Action: "sts:AssumeRole", Principal: { AWS: "*" } }) },
  ],
  ["deployment-by-digest", "deployment", { value: deployment("1.dkr.ecr.us-east-1.amazonaws.com/image-gen:latest") }],
  ["deployment-by-digest", "deployment", { value: deployment(`sha256:${"0".repeat(64)}`) }],
  ["deployment-by-digest", "deployment", { value: "no JSON" }],
  ["no-plain-secrets", "instance", { userDataBase64: packed(`token=hf_${"a".repeat(30)}`) }],
  ["no-plain-secrets", "instance", { userDataBase64: Buffer.from(`export KEY=${KEY} and more`).toString("base64") }],
  ["no-plain-secrets", "instance", { userData: `#!/bin/sh\nexport X=hf_${"a".repeat(30)}` }],
  [
    "no-plain-secrets",
    "deployment",
    { name: "/imagegen/x/other", value: JSON.stringify({ IMAGE_GEN_API_KEY: "plain" }) },
  ],
  ["no-plain-secrets", "group-of-host", { description: "-----BEGIN EC PRIVATE KEY-----" }],
  ["everything-tagged", "volume", { tags: undefined }],
  ["everything-tagged", "instance", { tags: { "imagegen:project": "x" } }],
  ["everything-tagged", "group", { tags: [{ key: "imagegen:project", value: "x" }] }],
  ["repository-guarded", "repository", { imageTagMutability: "MUTABLE" }],
  ["repository-guarded", "repository", { imageTagMutabilityExclusionFilters: [{ filter: "*" }] }],
  ["repository-guarded", "repository", { imageScanningConfiguration: undefined }],
  ["repository-guarded", "repository", { encryptionConfigurations: undefined }],
  ["queue-guarded", "queue", { sqsManagedSseEnabled: false }],
  ["queue-guarded", "queue", { redrivePolicy: undefined }],
  ["queue-guarded", "dead-letters", { messageRetentionSeconds: 345_600 }],
  ["queue-guarded", "queue-policy", allow("sqs:SendMessage", "*")],
  ["bucket-guarded", "bucket-policy", allow("s3:GetObject", "*")],
  ["bucket-guarded", "bucket-access", { blockPublicPolicy: undefined }],
  ["load-balancer-guarded", "balancer", { accessLogs: { enabled: false } }],
  ["load-balancer-guarded", "balancer", { accessLogs: undefined }],
  ["load-balancer-guarded", "balancer", { dropInvalidHeaderFields: undefined }],
  ["load-balancer-guarded", "balancer", { idleTimeout: 4020 }],
  ["service-guarded", "service", { deploymentCircuitBreaker: { enable: true, rollback: false } }],
  ["service-guarded", "service", { deploymentCircuitBreaker: undefined }],
  ["service-guarded", "service", { enableExecuteCommand: true }],
  ["task-guarded", "task", { networkMode: "bridge" }],
  ["task-guarded", "task", { containerDefinitions: containers({ image: "1.dkr.ecr.x/image-gen:latest" }) }],
  ["task-guarded", "task", { containerDefinitions: containers({ readonlyRootFilesystem: false }) }],
  ["task-guarded", "task", { containerDefinitions: containers({ privileged: true }) }],
  ["task-guarded", "task", { containerDefinitions: containers({ linuxParameters: undefined }) }],
  ["task-guarded", "task", { containerDefinitions: containers({ user: undefined }) }],
  ["task-guarded", "task", { containerDefinitions: containers({ user: "root:root" }) }],
  ["task-guarded", "task", { containerDefinitions: containers({ environment: [{ name: "HF_TOKEN", value: "x" }] }) }],
  ["default-group-closed", "default", { ingress: [{ protocol: "-1", self: true }] }],
  ["default-group-closed", "default", { egress: [{ protocol: "-1", cidrBlocks: ["10.0.0.0/8"] }] }],
  ["no-secret-build-args", "image", { buildArgs: { HF_TOKEN: "x" } }],
];

test("the good stack keeps every rule", async () => {
  for (const resource of good()) expect(await violations(resource), resource.name).toEqual([]);
});

describe("a bad stack breaks", () => {
  test.each(BAD)("%s: %s with %j", async (rule, name, changes) => {
    const resource = named(name);
    const found = await violations({ ...resource, inputs: { ...resource.inputs, ...changes } });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(new RegExp(`^${rule} ${name}: expected .+(?:\\.|Fix: .+)$`));
  });

  test("data-volume-guarded", async () => {
    const volume = named("volume");
    const bare = { ...volume.options, protect: false, ignoreChanges: ["availabilityZone", "encrypted"] };
    expect(await violations({ ...volume, options: bare })).toEqual([
      "data-volume-guarded volume: expected protect, got a volume that can be deleted. Fix: pulumi config set onDestroy retain",
      "data-volume-guarded volume: expected ignoreChanges to have kmsKeyId, snapshotId.",
    ]);
  });

  test("every rule about AWS is broken by one of these", () => {
    const broken = [...BAD.map(([rule]) => rule), "data-volume-guarded"].filter(
      (rule) => rule !== "no-secret-build-args",
    );
    expect([...new Set(broken)].sort()).toEqual(awsRules.map(({ name }) => name).sort());
  });
});

describe("what is allowed", () => {
  afterEach(() => pulumi.runtime.setAllConfig({}));

  test("ingress from everywhere, once the config says so", async () => {
    const open = { ...named("ingress"), inputs: { ...named("ingress").inputs, cidrIpv4: "0.0.0.0/0" } };
    pulumi.runtime.setAllConfig({ "Picture-Perfect-Challenge:allowPublic": "false" });
    expect(await violations(open)).toHaveLength(1);
    pulumi.runtime.setAllConfig({ "Picture-Perfect-Challenge:allowPublic": "true" });
    expect(await violations(open)).toEqual([]);
  });

  test("a volume that leaves a last snapshot", async () => {
    const volume = named("volume");
    const options = { ...volume.options, protect: false };
    expect(await violations({ ...volume, inputs: { ...volume.inputs, finalSnapshot: true }, options })).toEqual([]);
  });

  test("what is not known before an update", async () => {
    const inputs = { ...named("deployment").inputs, value: undefined };
    expect(await violations({ ...named("deployment"), inputs })).toEqual([]);
    expect(await violations({ ...named("grants"), inputs: {} })).toEqual([]);
  });

  test("tags of the provider's, in its settings or in the resource's tagsAll", () => {
    const tags = Object.fromEntries(TAGS.map((tag) => [tag, "x"]));
    const report = (props: object, provider?: object) => {
      const found: string[] = [];
      const args = { type: "aws:ec2/vpc:Vpc", name: "vpc", props, provider } as never;
      for (const validate of [everythingTagged.validateResource ?? []].flat())
        void validate(args, (message) => found.push(message));
      return found;
    };
    expect(report({})).toHaveLength(1);
    expect(report({ tagsAll: tags })).toEqual([]);
    expect(report({}, { props: { defaultTags: JSON.stringify({ tags }) } })).toEqual([]);
    expect(report({}, { props: { defaultTags: { tags } } })).toEqual([]);
    expect(report({}, { props: { region: "us-east-1" } })).toHaveLength(1);
  });
});

test("a secret's value is in no message", async () => {
  const token = `hf_${"a".repeat(30)}`;
  const leak = { ...named("instance"), inputs: { ...named("instance").inputs, userData: `x=${token}` } };
  const found = await violations(leak);
  expect(found).toHaveLength(1);
  expect(found.join()).not.toContain(token);
});

test.each(WITHOUT_TAGS)("%s has no tags in AWS's SDK", (type) => {
  const path = type.split(":")[1] ?? "";
  const declaration = readFileSync(`node_modules/@pulumi/aws/${path}.d.ts`, "utf8");
  expect(declaration).toContain(`class ${type.split(":")[2]} `);
  expect(declaration).not.toMatch(/^ {4}tags\?: /m);
});
