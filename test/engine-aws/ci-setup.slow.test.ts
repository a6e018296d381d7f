/** `imagegen ci setup` and `ci doctor` under the real engine: from nothing to an account and a repository that CI deploys from. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CreateOpenIDConnectProviderCommand, CreateRoleCommand, IAMClient } from "@aws-sdk/client-iam";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AwsProviderFake } from "../../aws-fake/index.ts";
import { missingForAws } from "../support/fakes/aws-provider/needs.ts";
import { AwsApi } from "../support/fakes/moto/aws-api.ts";
import { Operator } from "../support/fakes/moto/operator.ts";
import { paths } from "../support/paths.ts";

const missing = await missingForAws();
if (missing) console.warn(`LEFT OUT: imagegen ci: ${missing}`);

const BUCKET = "imagegen-ci-123456789012-us-east-1";
const KEY = "awskms://alias/imagegen-ci-state?region=us-east-1";
const BOUNDARY = "arn:aws:iam::123456789012:policy/imagegen-ci-boundary";

/** moto looks at a signature's service alone. */
const signedFor = (service: string) =>
  `AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=0`;

interface Check {
  readonly id: string;
  readonly status: string;
  readonly message: string;
}

describe.skipIf(missing !== undefined)("imagegen ci", () => {
  let fake: AwsProviderFake;
  let api: AwsApi;
  let operator: Operator;

  const ci = (...args: string[]) => operator.imagegenOf("ci", "ci", ...args);
  const doctor = async () => {
    const { stdout, exitCode } = await ci("doctor", "--json");
    const { checks } = JSON.parse(stdout) as { checks: readonly Check[] };
    return { exitCode, checks, wrong: checks.filter(({ status }) => status !== "ok").map(({ id }) => id) };
  };
  const checkoutState = () =>
    join(operator.directory, ".imagegen/state/.pulumi/stacks/Picture-Perfect-Challenge/ci.json");
  const github = () => JSON.parse(readFileSync(join(operator.directory, "github.json"), "utf8")) as object;

  /** What the fake's provider makes is not moto's, where Pulumi keeps the state and asks for the key. */
  async function makeBucketAndKey(): Promise<void> {
    await fetch(`${api.moto.url}/${BUCKET}`, { method: "PUT" });
    const kms = async (action: string, body: object) => {
      const headers = {
        "x-amz-target": `TrentService.${action}`,
        "content-type": "application/x-amz-json-1.1",
        authorization: signedFor("kms"),
      };
      const answer = await fetch(api.moto.url, { method: "POST", headers, body: JSON.stringify(body) });
      return JSON.parse((await answer.text()) || "{}") as { KeyMetadata?: { KeyId: string } };
    };
    const { KeyMetadata } = await kms("CreateKey", {});
    await kms("CreateAlias", { AliasName: "alias/imagegen-ci-state", TargetKeyId: KeyMetadata?.KeyId });
  }

  /** IAM has the roles and the OIDC provider that Pulumi's provider made. */
  async function showRoles(): Promise<void> {
    const credentials = { accessKeyId: "test", secretAccessKey: "test" };
    const iam = new IAMClient({ region: "us-east-1", endpoint: api.moto.url, credentials });
    const Url = "https://token.actions.githubusercontent.com";
    await iam.send(new CreateOpenIDConnectProviderCommand({ Url, ClientIDList: ["sts.amazonaws.com"] }));
    for (const { id, props } of fake.cloud.all("aws:iam/role:Role"))
      await iam.send(new CreateRoleCommand({ RoleName: id, AssumeRolePolicyDocument: String(props.assumeRolePolicy) }));
  }

  beforeAll(async () => {
    fake = await AwsProviderFake.start();
    api = await AwsApi.start({ parameters: fake.environment.AWS_ENDPOINT_URL ?? "" });
    operator = new Operator(api, fake.environment);
    operator.program(
      "gh",
      `exec ${process.execPath} ${join(paths.root, "test/support/fakes/gh.ts")} ${operator.directory} "$@"`,
    );
    await makeBucketAndKey();
  });

  afterAll(async () => {
    operator.remove();
    api.stop();
    await fake.stop();
  });

  test("without a repository it says how to name one", async () => {
    const { stderr, exitCode } = await ci("setup", "--yes");
    expect([exitCode, stderr]).toEqual([
      2,
      expect.stringMatching(/Fix: imagegen ci setup --repository <organisation>\/<name> --stack ci$/),
    ]);
  });

  test("doctor of a stack that was not set up names setup", async () => {
    const { stderr, exitCode } = await ci("doctor");
    expect([exitCode, stderr]).toEqual([2, expect.stringMatching(/nothing was set up yet\. Fix: imagegen ci setup/)]);
  });

  test("is not asked of a stack with a service", async () => {
    const { stderr, exitCode } = await operator.imagegen("ci", "setup", "--yes");
    expect([exitCode, stderr]).toEqual([
      2,
      expect.stringMatching(
        /aws-volume has target aws; setup is for one with target ci\. Fix: imagegen ci setup --stack ci$/,
      ),
    ]);
  });

  test("doctor says that nothing is there yet, and the fix", async () => {
    const { exitCode, wrong } = await doctorWith("org/repo");
    expect([exitCode, wrong]).toEqual([1, ["state"]]);
  });

  /** Before the setup, the file names no repository. */
  async function doctorWith(repository: string) {
    const before = operator.stackFile("ci");
    const file = join(operator.directory, "stacks/Pulumi.ci.yaml");
    writeFileSync(file, `${before}  Picture-Perfect-Challenge:repository: ${repository}\n`);
    const found = await doctor();
    writeFileSync(file, before);
    return found;
  }

  test("a dry run says what it would make, and changes nothing", async () => {
    const before = operator.stackFile("ci");
    const { stdout, exitCode } = await ci("setup", "--repository", "org/repo", "--dry-run");
    expect([exitCode, stdout]).toEqual([
      0,
      expect.stringMatching(/^account +123456789012\nstate +bucket imagegen-ci-/),
    ]);
    expect(stdout).toContain("repo:org@123456/repo@456789:environment:production");
    expect(operator.stackFile("ci")).toBe(before);
    expect(fake.cloud.story()).toEqual([]);
    expect(existsSync(join(operator.directory, "github.json"))).toBe(false);
  });

  test.each([
    [
      "nobody is signed in to GitHub",
      { GH_SIGNED_OUT: "1" },
      5,
      /^imagegen: gh is not signed in\..+Fix: gh auth login; or imagegen ci setup --without-gh/,
    ],
    [
      "GitHub has no environments in this plan",
      { GH_PLAN_FREE: "1" },
      1,
      /environments\/preview: gh: Not Found.+GitHub Pro or Team$/,
    ],
  ])("where %s, AWS trusts nobody", async (_, env, code, expected) => {
    const before = operator.stackFile("ci");
    const { stderr, exitCode } = await operator.imagegenWith(
      env,
      "ci",
      "ci",
      "setup",
      "--repository",
      "org/repo",
      "--yes",
    );
    expect([exitCode, stderr]).toEqual([code, expect.stringMatching(expected)]);
    expect(fake.cloud.inventory()).toEqual([]);
    writeFileSync(join(operator.directory, "stacks/Pulumi.ci.yaml"), before);
  });

  test("a bucket of that name that is another account's is not read", async () => {
    api.foreignBuckets.add(BUCKET);
    const { stderr, exitCode } = await ci("setup", "--repository", "org/repo", "--yes");
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringMatching(/is not of the account 123456789012, .+Fix: pulumi config set ciPrefix/),
    ]);
    api.foreignBuckets.clear();
    expect(fake.cloud.inventory()).toEqual([]);
  });

  test("makes the account's part, moves its state into the bucket, and sets GitHub's", async () => {
    const { stdout, stderr, exitCode } = await ci("setup", "--repository", "org/repo", "--yes");
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining("The state of ci is in s3://")]);
    expect(stdout).toContain("git add stacks");
    expect(stdout).toContain(`export PULUMI_BACKEND_URL='s3://${BUCKET}?region=us-east-1'`);
    expect(operator.stackFile("ci")).toContain(`secretsprovider: ${KEY}`);
    expect(operator.stackFile("ci")).toContain("Picture-Perfect-Challenge:repositoryIds: 123456/456789");
    expect(operator.stackFile()).toContain(`secretsprovider: ${KEY}`);
    expect(operator.stackFile()).toContain(`Picture-Perfect-Challenge:permissionsBoundaryArn: ${BOUNDARY}`);
    expect(existsSync(checkoutState())).toBe(false);
    const role = (name: string) => ({ AWS_ROLE_ARN: `arn:aws:iam::123456789012:role/imagegen-ci-${name}` });
    expect(github()).toEqual({
      environments: {
        preview: { branches: [], variables: role("preview") },
        drift: { branches: ["main"], variables: role("drift") },
        production: { branches: ["main"], variables: role("deploy") },
      },
      variables: {
        IMAGEGEN_STACK: "aws-volume",
        PULUMI_BACKEND_URL: `s3://${BUCKET}?region=us-east-1`,
        IMAGEGEN_PREVIEW_STATE: `s3://${BUCKET}/previews`,
        AWS_REGION: "us-east-1",
      },
    });
  });

  test("a second time it changes nothing", async () => {
    const files = [operator.stackFile("ci"), operator.stackFile()];
    const mark = fake.cloud.calls.length;
    const { stdout, exitCode } = await ci("setup", "--yes", "--json");
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ written: [], commands: [] });
    expect(fake.cloud.story(mark)).toEqual([]);
    expect([operator.stackFile("ci"), operator.stackFile()]).toEqual(files);
  });

  test("a run that was killed amid the move of the state is continued by the next one", async () => {
    // The bucket has the state, the checkout still has its own, and no file names the key.
    const names = ["ci", "aws-volume"];
    const before = names.map((name) => operator.stackFile(name));
    const copy = join(operator.directory, "state.json");
    const bucket = { PULUMI_BACKEND_URL: `s3://${BUCKET}/ci?region=us-east-1` };
    for (const [env, ...args] of [
      [bucket, "export", "--stack", "ci", "--file", copy],
      [{}, "init", "ci", "--no-select"],
      [{}, "import", "--stack", "ci", "--file", copy],
    ] as const)
      expect((await operator.pulumiWith(env, "stack", ...args, "--non-interactive")).exitCode).toBe(0);
    expect(existsSync(checkoutState())).toBe(true);
    for (const [at, name] of names.entries()) {
      const text = before[at]?.replaceAll(/^(secretsprovider|encryptedkey): .+\n/gm, "") ?? "";
      expect(text).not.toBe(before[at]);
      writeFileSync(join(operator.directory, `stacks/Pulumi.${name}.yaml`), text);
    }
    expect((await ci("setup", "--yes")).exitCode).toBe(0);
    expect(names.map((name) => operator.stackFile(name))).toEqual(before);
    expect(existsSync(checkoutState())).toBe(false);
  });

  test("a fleet is deployed as one host is, unless it is there already, with its state elsewhere and no host", async () => {
    const before = operator.stackFile("ci");
    const file = join(operator.directory, "stacks/Pulumi.ci.yaml");
    const line = /^( +)(Picture-Perfect-Challenge:repository: .+)$/m;
    writeFileSync(file, before.replace(line, "$1$2\n$1Picture-Perfect-Challenge:deployStack: aws-fleet"));
    const name = "/imagegen/aws-fleet/deployment";
    const parameter = fake.cloud.add("aws:ssm/parameter:Parameter", name, { name, value: "{}" });
    const left = await ci("setup", "--yes");
    expect([left.exitCode, left.stderr]).toEqual([
      0,
      expect.stringContaining(`aws-fleet has the parameter ${name} already, and its state is in a backend`),
    ]);
    expect(operator.stackFile("aws-fleet")).not.toContain("permissionsBoundaryArn");
    fake.cloud.remove(parameter);
    expect((await ci("setup", "--yes")).exitCode).toBe(0);
    expect(operator.stackFile("aws-fleet")).toContain(`Picture-Perfect-Challenge:permissionsBoundaryArn: ${BOUNDARY}`);
    expect(github()).toMatchObject({ variables: { IMAGEGEN_STACK: "aws-fleet" } });
    writeFileSync(file, before);
    expect((await ci("setup", "--yes")).exitCode).toBe(0);
    expect(github()).toMatchObject({ variables: { IMAGEGEN_STACK: "aws-volume" } });
  });

  test("doctor finds all of it, and what AWS or a hand took away", async () => {
    await showRoles();
    expect((await doctor()).wrong).toEqual(["committed", "committed"]);
    api.denied.add("ec2:RunInstances");
    const state = github() as { variables: Record<string, string> };
    delete state.variables.AWS_REGION;
    writeFileSync(join(operator.directory, "github.json"), JSON.stringify(state));
    const { exitCode, checks } = await doctor();
    expect(exitCode).toBe(1);
    const failed = checks.filter(({ status }) => status === "fail").map(({ message }) => message);
    expect(failed).toEqual([
      "imagegen-ci-deploy lacks ec2:RunInstances, by its policies or its boundary.",
      "missing or of another value: AWS_REGION.",
    ]);
    api.denied.clear();
    expect((await ci("setup", "--yes")).exitCode).toBe(0);
    expect((await doctor()).wrong).toEqual(["committed", "committed"]);
  });

  test("the stack that the workflows deploy comes up there, with the boundary", async () => {
    const env = { ...fake.environment, ...api.environment, PULUMI_BACKEND_URL: `s3://${BUCKET}?region=us-east-1` };
    fake.serve(operator.directory);
    const { exitCode, stderr } = await operator.imagegenWith(env, "aws-volume", "up", "--no-picture");
    expect([exitCode, stderr]).toEqual([0, expect.any(String)]);
    const roles = fake.cloud.all("aws:iam/role:Role").filter(({ id }) => id.startsWith("image-gen"));
    expect(roles.length).toBeGreaterThan(0);
    for (const { props } of roles) expect(props.permissionsBoundary).toBe(BOUNDARY);
  });

  test("a checkout that lacks the state of roles that are there makes no second ones", async () => {
    const { stderr, exitCode } = await ci("setup", "--repository", "org/other", "--yes", "--dry-run");
    expect([exitCode, stderr]).toEqual([0, expect.any(String)]);
    const state = `${api.moto.url}/${BUCKET}/ci/.pulumi/stacks/Picture-Perfect-Challenge/ci.json`;
    const headers = { authorization: signedFor("s3") };
    expect((await fetch(state, { method: "DELETE", headers })).status).toBe(204);
    const refused = await ci("setup", "--yes");
    expect([refused.exitCode, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/has the role imagegen-ci-deploy already.+Fix: export PULUMI_BACKEND_URL/),
    ]);
  });
});
