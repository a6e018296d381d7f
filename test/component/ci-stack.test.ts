import { describe, expect, test } from "vitest";
import { explainOidcError } from "../../infra/aws/ci/ci-access.ts";
import { ci } from "../../infra/aws/ci/program.ts";
import { inputsOf, runAws } from "../support/aws-program.ts";
import { CI_EXTRAS, ciSettings } from "../support/ci-settings.ts";
import { known } from "../support/outputs.ts";
import { type Registered, theOnly } from "../support/program.ts";

const BUCKET = "imagegen-ci-123456789012-us-east-1";
const GITHUB = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com";

const outputs = ({ type, name }: { type: string; name: string }): Record<string, unknown> => {
  const arns: Record<string, string> = {
    "aws:s3/bucket:Bucket": `arn:aws:s3:::${BUCKET}`,
    "aws:kms/key:Key": "arn:aws:kms:us-east-1:123456789012:key/k",
    "aws:iam/role:Role": `arn:aws:iam::123456789012:role/${name}`,
    "aws:iam/policy:Policy": `arn:aws:iam::123456789012:policy/${name}`,
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": GITHUB,
  };
  return { arn: arns[type], keyId: "k" };
};
const run = (raw: Readonly<Record<string, string>> = {}) =>
  runAws(() => ci(ciSettings(raw), { stack: "ci" }), {
    outputs,
    idOf: ({ type, name }) => (type === "aws:s3/bucket:Bucket" ? BUCKET : `${name}-id`),
  });
const ofType = (resources: readonly Registered[], type: string) => resources.filter((one) => one.type === type);

describe("the state", () => {
  test("is in a bucket with versions, encrypted, closed to the public and by TLS alone", async () => {
    const { resources } = await run();
    expect(theOnly(resources, "aws:s3/bucket:Bucket").inputs).toEqual({ bucket: BUCKET });
    expect(theOnly(resources, "aws:s3/bucketVersioning:BucketVersioning").inputs).toEqual({
      bucket: BUCKET,
      versioningConfiguration: { status: "Enabled" },
    });
    expect(theOnly(resources, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock").inputs).toEqual({
      bucket: BUCKET,
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    });
    const encryption = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration";
    expect(theOnly(resources, encryption).inputs).toEqual({
      bucket: BUCKET,
      rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms" }, bucketKeyEnabled: true }],
    });
    const { policy } = theOnly(resources, "aws:s3/bucketPolicy:BucketPolicy").inputs;
    expect(JSON.parse(String(policy)).Statement).toEqual([
      {
        Sid: "TlsOnly",
        Effect: "Deny",
        Principal: "*",
        Action: "s3:*",
        Resource: [`arn:aws:s3:::${BUCKET}`, `arn:aws:s3:::${BUCKET}/*`],
        Condition: { Bool: { "aws:SecureTransport": "false" } },
      },
    ]);
  });

  test("keeps earlier versions as long as the config says", async () => {
    const { resources } = await run({ stateVersionDays: "30" });
    const { rules } = theOnly(resources, "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration").inputs;
    expect(rules).toEqual([
      {
        id: "earlier-versions",
        status: "Enabled",
        filter: { prefix: "" },
        noncurrentVersionExpiration: { noncurrentDays: 30 },
        abortIncompleteMultipartUpload: { daysAfterInitiation: 1 },
      },
    ]);
  });

  test("has a key that is rotated, under the alias that stacks name", async () => {
    const { resources, result } = await run();
    expect(theOnly(resources, "aws:kms/key:Key").inputs).toMatchObject({
      enableKeyRotation: true,
      deletionWindowInDays: 30,
    });
    expect(theOnly(resources, "aws:kms/alias:Alias").inputs).toEqual({
      name: "alias/imagegen-ci-state",
      targetKeyId: "k",
    });
    expect(await known(result.secretsProvider)).toBe("awskms://alias/imagegen-ci-state?region=us-east-1");
  });

  test("is protected, and nothing else is", async () => {
    const { resources } = await run();
    const held = resources.filter(({ options }) => options.protect).map(({ type }) => type);
    expect(held.sort()).toEqual([
      "aws:kms/key:Key",
      "aws:s3/bucket:Bucket",
      "aws:s3/bucketVersioning:BucketVersioning",
    ]);
  });
});

describe("the OIDC provider", () => {
  test("is made, and stays for others when the stack goes", async () => {
    const { resources } = await run();
    const provider = theOnly(resources, "aws:iam/openIdConnectProvider:OpenIdConnectProvider");
    expect(provider.inputs).toEqual({
      url: "https://token.actions.githubusercontent.com",
      clientIdLists: ["sts.amazonaws.com"],
    });
    expect(provider.options.retainOnDelete).toBe(true);
  });

  test("of the account is used where config names it, and is not managed", async () => {
    const { resources, result } = await run({ oidcProviderArn: GITHUB });
    expect(ofType(resources, "aws:iam/openIdConnectProvider:OpenIdConnectProvider")).toEqual([]);
    expect(await known(result.oidcProviderArn)).toBe(GITHUB);
    const trusts = Object.values(inputsOf(resources, "aws:iam/role:Role")).map((role) => String(role.assumeRolePolicy));
    for (const trust of trusts) expect(trust).toContain(GITHUB);
  });

  test("that is there already is one line with its fix", () => {
    const text = "creating IAM OIDC Provider: EntityAlreadyExists: Provider with url https://x already exists.";
    const arn = "arn:aws-us-gov:iam::123456789012:oidc-provider/gitlab.com";
    expect(explainOidcError(text, arn, "ci")).toBe(
      `The account has an OIDC provider of gitlab.com already. Fix: pulumi config set oidcProviderArn ${arn} --stack ci`,
    );
    expect(explainOidcError("AccessDenied", arn, "ci")).toBeNull();
  });
});

describe("the roles", () => {
  test("trust one environment each, and have what the plan says, each attached", async () => {
    const { resources } = await run(CI_EXTRAS);
    const roles = inputsOf(resources, "aws:iam/role:Role");
    expect(Object.keys(roles)).toEqual(
      ["preview", "drift", "deploy", "canary", "mirror"].map((role) => `imagegen-ci-${role}`),
    );
    const subjects = Object.values(roles).map((role) => {
      const [statement] = JSON.parse(String(role.assumeRolePolicy)).Statement;
      return statement.Condition.StringEquals["token.actions.githubusercontent.com:sub"];
    });
    expect(subjects).toEqual(
      ["preview", "drift", "production", "canary", "mirror"].map((name) => `repo:org/repo:environment:${name}`),
    );
    expect(roles["imagegen-ci-deploy"]).toMatchObject({ maxSessionDuration: 10_800 });

    const policies = inputsOf(resources, "aws:iam/policy:Policy");
    const parts = ["host", "network", "balancer", "identity", "services", "fleet", "state"];
    const names = [
      "imagegen-ci-preview-reads",
      ...["drift", "deploy", "canary"].flatMap((role) => parts.map((part) => `imagegen-ci-${role}-${part}`)),
      "imagegen-ci-mirror-mirror",
    ];
    expect(Object.keys(policies)).toEqual([...names, "imagegen-ci-boundary"]);
    const attachments = inputsOf(resources, "aws:iam/rolePolicyAttachment:RolePolicyAttachment");
    expect(Object.keys(attachments)).toEqual(names);
    const state = String(policies["imagegen-ci-deploy-state"]?.policy);
    expect(state).toContain(`arn:aws:s3:::${BUCKET}/.pulumi/*`);
    expect(state).toContain("arn:aws:kms:us-east-1:123456789012:key/k");
    for (const { policy } of Object.values(policies)) expect(JSON.parse(String(policy)).Statement).not.toEqual([]);
  });
});

test("the canary's and the mirror's roles are there where config asks for them", async () => {
  const { resources, result } = await run({ mirrorUri: "s3://models/mirror" });
  expect(Object.keys(inputsOf(resources, "aws:iam/role:Role")).at(-1)).toBe("imagegen-ci-mirror");
  expect(await known(result.canaryRoleArn)).toBeNull();
  expect(await known(result.mirrorRoleArn)).toBe("arn:aws:iam::123456789012:role/imagegen-ci-mirror");
});

test("outputs are what a workflow and its setup need", async () => {
  const { result } = await run();
  const entries = Object.entries(result).map(async ([key, value]) => [key, await known(value)] as const);
  const { ciCommands, ...values } = Object.fromEntries(await Promise.all(entries));
  expect(values).toEqual({
    target: "ci",
    region: "us-east-1",
    backendUrl: `s3://${BUCKET}?region=us-east-1`,
    ciBackendUrl: `s3://${BUCKET}/ci?region=us-east-1`,
    previewStateUrl: `s3://${BUCKET}/previews`,
    secretsProvider: "awskms://alias/imagegen-ci-state?region=us-east-1",
    keyArn: "arn:aws:kms:us-east-1:123456789012:key/k",
    oidcProviderArn: GITHUB,
    previewRoleArn: "arn:aws:iam::123456789012:role/imagegen-ci-preview",
    driftRoleArn: "arn:aws:iam::123456789012:role/imagegen-ci-drift",
    deployRoleArn: "arn:aws:iam::123456789012:role/imagegen-ci-deploy",
    canaryRoleArn: null,
    mirrorRoleArn: null,
    permissionsBoundaryArn: "arn:aws:iam::123456789012:policy/imagegen-ci-boundary",
  });
  expect(ciCommands).toContain(
    `gh variable set PULUMI_BACKEND_URL --repo org/repo --body 's3://${BUCKET}?region=us-east-1'`,
  );
});
