/** The stack for CI in the real engine: an account gets a bucket, a key and roles once, and keeps what can't be made again. */
import { beforeAll, expect, test } from "vitest";
import { type EngineStack, failed, succeeded } from "../support/engine-stack.ts";
import { AwsSetting, awsTests } from "./setting.ts";

const setting = new AwsSetting();
const PROVIDER = "aws:iam/openIdConnectProvider:OpenIdConnectProvider";
const CONFIG = { target: "ci", repository: "org/repo" };

await awsTests("the stack for CI", setting, () => {
  let stack: EngineStack;
  beforeAll(async () => {
    stack = await setting.stack("ci", CONFIG);
  });

  test("keeps every policy of the pack, and says what it would make", async () => {
    const { changes } = succeeded(await stack.preview({ policyPacks: ["policy"] }));
    expect(changes).toContain("create aws:kms/key:Key");
    expect(changes).toContain(`create ${PROVIDER}`);
  });

  test("is made at once, and is the same the second time", async () => {
    const { outputs } = succeeded(await stack.up());
    expect(outputs).toMatchObject({
      target: "ci",
      backendUrl: "s3://imagegen-ci-123456789012-us-east-1?region=us-east-1",
      secretsProvider: "awskms://alias/imagegen-ci-state?region=us-east-1",
      oidcProviderArn: "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com",
      deployRoleArn: "arn:aws:iam::123456789012:role/imagegen-ci-deploy",
    });
    succeeded(await stack.up({ expectNoChanges: true }));
    expect(setting.fake.cloud.broken).toEqual([]);
  });

  test("of a second repository is refused the provider that the account has, and takes it when config names it", async () => {
    const second = await setting.stack("second", { ...CONFIG, repository: "org/other", ciPrefix: "other-ci" });
    expect(failed(await second.up())).toContain(
      "The account has an OIDC provider of token.actions.githubusercontent.com already. Fix: pulumi config set oidcProviderArn arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com --stack second",
    );
    const oidcProviderArn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com";
    second.change({ oidcProviderArn });
    expect(succeeded(await second.up()).outputs).toMatchObject({ oidcProviderArn });
    expect(setting.fake.cloud.all(PROVIDER)).toHaveLength(1);
  });

  test("changes its roles in place when another repository deploys", async () => {
    stack.change({ deployBranch: "live", repository: "org/renamed" });
    const { changes } = succeeded(await stack.up());
    expect([...new Set(changes)]).toEqual(["update aws:iam/role:Role"]);
    expect(changes).toHaveLength(3);
  });

  test("leaves the state, its key and the provider when it is destroyed", async () => {
    succeeded(await stack.destroy("--exclude-protected"));
    const left = setting.fake.cloud.inventory().map(({ kind }) => kind);
    for (const kind of [
      "aws:s3/bucket:Bucket",
      "aws:s3/bucketVersioning:BucketVersioning",
      "aws:kms/key:Key",
      PROVIDER,
    ])
      expect(left).toContain(kind);
    const roles = setting.fake.cloud.all("aws:iam/role:Role").map(({ id }) => id);
    expect(roles.filter((name) => name.startsWith("imagegen-ci"))).toEqual([]);
  });
});
