import { describe, expect, test } from "vitest";
import { parseSettings } from "../../../../infra/config/parse.ts";
import { wordForPulumi } from "../../../../infra/config/problem.ts";
import { ALB, awsProblemsOf, awsSettings, OIDC } from "../../../support/aws-settings.ts";
import { SERVICE_DEFAULTS } from "../../../support/settings.ts";

const P = "Picture-Perfect-Challenge";
const SNAPSHOT = "snap-0123456789abcdef0";
const VOLUME = "vol-0123456789abcdef0";
const SUBNET = "subnet-0123456789abcdef0";

test("a stack that only names AWS and a region has everything else decided", () => {
  expect(awsSettings()).toMatchObject({
    target: "aws",
    region: "us-east-1",
    instanceTypes: ["g6.xlarge", "g5.xlarge", "g4dn.xlarge"],
    pinnedInstanceType: null,
    purchaseOption: "on-demand",
    replacement: "create-first",
    selfHealing: false,
    amiId: null,
    network: "public",
    access: "ssm",
    allowedCidrs: [],
    allowPublic: false,
    volumeSizeGb: null,
    volumeIops: 3000,
    volumeThroughputMb: null,
    volumeGeneration: 1,
    instanceStoreCache: false,
    onDestroy: "retain",
    imagesOnDestroy: "retain",
    deletionProtection: false,
    decryptKmsKeyArns: [],
    ...SERVICE_DEFAULTS,
    environmentSecretArns: {},
    hasToken: false,
  });
});

test.each([
  ["instanceTypes", "g5.xlarge, g6.2xlarge ,g5.xlarge", ["g5.xlarge", "g6.2xlarge"]],
  ["instanceTypes", '["g5.xlarge","g6.2xlarge"]', ["g5.xlarge", "g6.2xlarge"]],
  ["selfHealing", "true", true],
  ["instanceStoreCache", "true", true],
  ["availabilityZone", "us-east-1c", "us-east-1c"],
  ["amiId", "ami-0ca77a28d8801702a", "ami-0ca77a28d8801702a"],
  ["volumeId", "vol-0a1b2c3d", "vol-0a1b2c3d"],
  ["volumeSizeGb", "65536", 65_536],
  ["modelMirror", "s3://bucket/a/b/", "s3://bucket/a/b"],
  ["modelMirror", "s3://bucket", "s3://bucket"],
  ["logRetentionDays", "3653", 3653],
  [
    "kmsKeyArn",
    "arn:aws-cn:kms:cn-north-1:123456789012:key/1",
    "arn:aws-cn:kms:cn-north-1:123456789012:key/1",
    "cn-north-1",
  ],
])("%s = %s is read", (key, text, value, region = "us-east-1") => {
  expect((awsSettings({ [key]: text }, region) as unknown as Record<string, unknown>)[key]).toEqual(value);
});

describe("one value that is wrong is one line", () => {
  test.each([
    ["instanceTypes", "", "a list of at least one"],
    ["instanceTypes", "g6", "a list, each an instance type such as g6.xlarge"],
    ["instanceTypes", '["g6.xlarge", 1]', "a list with commas, or a JSON array of words"],
    ["instanceTypes", "[g6.xlarge", "a list with commas, or a JSON array of words"],
    ["purchaseOption", "reserved", "on-demand, spot or spot-then-on-demand"],
    ["selfHealing", "yes", "true or false"],
    ["availabilityZone", "us-east-1", "an availability zone such as us-east-1a, or nothing"],
    ["amiId", "ami-latest", "an id such as ami-0123456789abcdef0, or nothing"],
    ["subnetId", "vpc-0123456789abcdef0", "an id such as subnet-0123456789abcdef0, or nothing"],
    ["certificateArn", "arn:aws:iam::123456789012:server-certificate/x", "the ARN of a certificate in ACM, or nothing"],
    ["allowedCidrs", "203.0.113.7/24", "a list, each an IPv4 range such as 203.0.113.0/24"],
    ["allowedCidrs", "203.0.113.0/33", "a list, each an IPv4 range such as 203.0.113.0/24"],
    ["apiKeySecretArn", "sesame", "the ARN of a secret in Secrets Manager, or nothing"],
    ["volumeSizeGb", "65537", "a whole number from 1 to 65536, or 0"],
    ["volumeIops", "2999", "a whole number from 3000 to 80000"],
    ["volumeThroughputMb", "2001", "a whole number from 125 to 2000, or 0"],
    ["volumeInitializationRate", "50", "a whole number from 100 to 300, or 0"],
    ["onDestroy", "keep", "retain, snapshot or delete"],
    ["imagesOnDestroy", "snapshot", "retain or delete"],
    ["decryptKmsKeyArns", "alias/mine", "a list, each the ARN of a KMS key"],
    ["modelMirror", "https://bucket", "s3://bucket/prefix, or an absolute path, or nothing"],
    ["logRetentionDays", "31", /^one of 1, 3, 5, /],
  ])("%s = %j", (key, text, expected) => {
    const problems = awsProblemsOf({ [key]: text });
    expect(problems).toHaveLength(1);
    const [, said] = new RegExp(`^${P}:${key}: expected (.+), got ".*"\\. Fix: pulumi config set ${key} \\S+$`).exec(
      problems[0] ?? "",
    ) ?? [problems[0], ""];
    expect(said).toEqual(typeof expected === "string" ? expected : expect.stringMatching(expected));
  });
});

describe("values that do not go together", () => {
  test.each([
    ["modelCache", { network: "endpoints-only" }],
    ["hubEndpoint", { network: "endpoints-only", modelCache: "baked", hubEndpoint: "https://hub.example" }],
    ["certificateArn", { ...ALB, certificateArn: "" }],
    ["network", { ...OIDC, network: "endpoints-only", modelCache: "baked" }],
    ["requestTimeoutSeconds", { ...ALB, requestTimeoutSeconds: "3981" }],
    ["access", { deletionProtection: "true" }],
    ["authentication", { ...ALB, apiKeySecretArn: "" }],
    ["purchaseOption", { selfHealing: "true", purchaseOption: "spot-then-on-demand" }],
    ["apiKeySecretArn", { authentication: "api-key" }],
    ["oidcTokenEndpoint", { ...OIDC, oidcTokenEndpoint: "" }],
    ["access", { ...OIDC, access: "ssm" }],
    ["allowedCidrs", { ...ALB, allowedCidrs: "" }],
    ["allowPublic", { ...ALB, allowedCidrs: "0.0.0.0/0" }],
    ["allowPublic", { ...ALB, allowedCidrs: "10.0.0.0/8,128.0.0.0/1" }],
    ["albSubnetIds", { ...ALB, subnetId: SUBNET }],
    ["subnetId", { vpcId: "vpc-0123456789abcdef0" }],
    ["volumeIops", { volumeSizeGb: "10", volumeIops: "5001" }],
    ["volumeThroughputMb", { volumeThroughputMb: "751" }],
    ["volumeSnapshotId", { volumeId: VOLUME, volumeSnapshotId: SNAPSHOT }],
    ["volumeInitializationRate", { volumeInitializationRate: "200" }],
    ["availabilityZone", { availabilityZone: "eu-west-1a" }],
    ["kmsKeyArn", { kmsKeyArn: "arn:aws:kms:eu-west-1:123456789012:key/1" }],
    ["decryptKmsKeyArns", { decryptKmsKeyArns: "arn:aws:kms:eu-west-1:123456789012:key/1" }],
    ["certificateArn", { ...ALB, certificateArn: "arn:aws:acm:eu-west-1:123456789012:certificate/1" }],
    ["alarmTopicArn", { alarmTopicArn: "arn:aws:sns:eu-west-1:123456789012:alarms" }],
    ["hfTokenSecretArn", { hfTokenSecretArn: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:hf-AbCdEf" }],
    ["apiKeySecretArn", { apiKeySecretArn: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:key-AbCdEf" }],
    [
      "oidcClientSecretArn",
      { ...OIDC, oidcClientSecretArn: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:c-AbCdEf" },
    ],
    [
      "environmentSecretArns",
      { environmentSecretArns: "HTTPS_PROXY=arn:aws:secretsmanager:eu-west-1:123456789012:secret:proxy-AbCdEf" },
    ],
    ["pinnedPurchaseOption", { pinnedPurchaseOption: "spot" }],
    ["idleStopMinutes", { selfHealing: "true", idleStopMinutes: "30" }],
    ["instanceStoreCache", { instanceStoreCache: "true", modelCache: "baked" }],
  ])("%s: %j", (key, raw: Record<string, string>) => {
    const problems = awsProblemsOf(raw);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${P}:${key}: expected .+, got .+\\. Fix: pulumi config set \\S+ .+$`));
  });

  test.each(["certificateArn", "allowedCidrs"] as const)("%s without a load balancer", (key) => {
    const problems = awsProblemsOf({ [key]: ALB[key] });
    expect(problems).toEqual([
      `${P}:${key}: expected none without access alb: it is the load balancer's, got ${ALB[key]}. Fix: pulumi config rm ${key}`,
    ]);
  });
  test("subnets of a load balancer without one", () => {
    expect(awsProblemsOf({ albSubnetIds: SUBNET })).toEqual([
      expect.stringContaining("Fix: pulumi config rm albSubnetIds"),
    ]);
  });

  test.each([
    ["an air-gapped stack with a baked image", { network: "endpoints-only", modelCache: "baked" }],
    ["an air-gapped stack with a mirror", { network: "endpoints-only", modelMirror: "s3://bucket/models" }],
    ["a load balancer with a key", { ...ALB }],
    ["a load balancer with sign-in", { ...OIDC }],
    ["an open one, on purpose", { ...ALB, allowedCidrs: "0.0.0.0/0", allowPublic: "true" }],
    ["gp3 at its limits", { volumeSizeGb: "160", volumeIops: "80000", volumeThroughputMb: "2000" }],
    ["gp3's base for the smallest disk", { volumeSizeGb: "1" }],
    ["a fallback that ended on demand", { purchaseOption: "spot-then-on-demand", pinnedPurchaseOption: "on-demand" }],
    ["a filled copy", { volumeSnapshotId: SNAPSHOT, volumeInitializationRate: "300" }],
  ])("%s is accepted", (_, raw: Record<string, string>) => {
    expect(awsProblemsOf(raw)).toEqual([]);
  });
});

test.each([
  ["", "nothing"],
  ["useast1", '"useast1"'],
])("without a region (%j) the fix is named", (region, got) => {
  expect(awsProblemsOf({}, region)).toEqual([
    `aws:region: expected a region such as us-east-1, got ${got}. Fix: pulumi config set aws:region us-east-1`,
  ]);
});

describe("secrets", () => {
  const HOLDS = "got a secret's value. Fix: pulumi config rm";
  test.each([
    [
      { apiKey: "k" },
      `apiKey: expected apiKeySecretArn in its place on AWS, ${HOLDS} apiKey && pulumi config set apiKeySecretArn`,
    ],
    [
      { httpsProxy: "http://a:b@proxy:1" },
      `httpsProxy: expected environmentSecretArns in its place on AWS, ${HOLDS} httpsProxy && pulumi config set environmentSecretArns HTTPS_PROXY=arn:`,
    ],
  ])("%j is refused, as a host reads its secrets from Secrets Manager", (raw: Record<string, string>, expected) => {
    expect(awsProblemsOf(raw)[0]).toContain(`${P}:${expected}`);
    const parsed = parseSettings({ target: "aws", ...raw }, { region: "us-east-1", secretKeys: Object.keys(raw) });
    expect("problems" in parsed && parsed.problems.map(wordForPulumi)[0]).toContain(`${P}:${expected}`);
  });

  const ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:proxy-AbCdEf";
  test("a file of this machine is refused; the image may hold one", () => {
    expect(awsProblemsOf({ caFile: "/srv/ca.pem" })[0]).toContain("caFile: expected none on AWS");
    expect(awsSettings({ environment: "SSL_CERT_FILE=/etc/ssl/corp.pem" }).environment).toEqual({
      SSL_CERT_FILE: "/etc/ssl/corp.pem",
    });
  });

  test("of any variable are the host's to read", () => {
    expect(awsSettings({ environmentSecretArns: `HTTPS_PROXY=${ARN}` }).environmentSecretArns).toEqual({
      HTTPS_PROXY: ARN,
    });
    expect(awsProblemsOf({ environmentSecretArns: "HTTPS_PROXY=http://a:b@c" })[0]).toContain(
      "each the ARN of a secret",
    );
    expect(awsProblemsOf({ environmentSecretArns: `HF_HOME=${ARN}` })[0]).toContain(
      "no HF_HOME, which is set without it",
    );
  });
});

describe("keys of the other target", () => {
  test("that are set are a problem each", () => {
    expect(awsProblemsOf({ volumeName: "models", hostCache: "/srv" })).toEqual([
      `${P}:volumeName: expected no such key with target aws, got "models". Fix: pulumi config rm volumeName`,
      `${P}:hostCache: expected no such key with target aws, got "/srv". Fix: pulumi config rm hostCache`,
    ]);
    expect(parseSettings({ instanceTypes: "g5.xlarge" })).toEqual({
      problems: [
        {
          path: `${P}:instanceTypes`,
          expected: "no such key with target local",
          got: '"g5.xlarge"',
          fix: { unset: "instanceTypes" },
        },
      ],
    });
  });

  test("that have their default are none: Pulumi hands those over by itself", () => {
    expect(awsProblemsOf({ gpu: "auto", bindAddress: "127.0.0.1" })).toEqual([]);
    expect(parseSettings({ purchaseOption: "on-demand", allowPublic: "false" })).toHaveProperty("settings");
  });
});
