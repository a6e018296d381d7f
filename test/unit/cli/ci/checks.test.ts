/** What `ci doctor` says of accounts and repositories that do not exist. */
import { expect, test } from "vitest";
import type { DeniedActions } from "../../../../cli/targets/ci/access.ts";
import { ciChecks } from "../../../../cli/targets/ci/checks.ts";
import type { CiFacts } from "../../../../cli/targets/ci/doctor.ts";
import { ciVariables } from "../../../../infra/plan/ci/commands.ts";
import { trustStatements } from "../../../../infra/plan/ci/trust.ts";
import { ciPlanWith } from "../../../support/ci-settings.ts";

const plan = ciPlanWith({ repositoryIds: "1/2" });
const NONE = { byRole: [], byOrganization: [] };
const outputs = {
  region: "us-east-1",
  backendUrl: "s3://bucket?region=us-east-1",
  previewStateUrl: "s3://bucket/previews",
  ciBackendUrl: "s3://bucket/ci?region=us-east-1",
  secretsProvider: "awskms://alias/imagegen-ci-state?region=us-east-1",
  keyArn: "arn:aws:kms:us-east-1:123456789012:key/k",
  oidcProviderArn: "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com",
  permissionsBoundaryArn: "arn:aws:iam::123456789012:policy/imagegen-ci-boundary",
  roleArns: { preview: "arn:p", drift: "arn:d", deploy: "arn:u" },
};
const value = <T>(of: T) => ({ known: true, value: of }) as const;
const unanswered = { known: false, reason: { message: "access denied: these credentials lack iam:GetRole" } } as const;
const roles = Object.values(plan.roles).map(({ name, trust }) => ({
  name,
  trust: value({ Statement: trustStatements(trust, outputs.oidcProviderArn) }),
  denied: value<DeniedActions>(NONE),
  findings: value([]),
}));
const facts: CiFacts = {
  stack: "ci",
  plan,
  account: value("123456789012"),
  outputs: value(outputs),
  audiences: value(["sts.amazonaws.com"]),
  roles,
  repository: value({ name: "org/repo", ids: "1/2", defaultBranch: "main" }),
  variables: value(ciVariables(plan, outputs).map((variable) => ({ ...variable, found: variable.value }))),
  branches: value({ drift: ["main"], production: ["main"] }),
  files: ["ci", "aws-volume"].map((stack) => ({
    stack,
    secretsProvider: outputs.secretsProvider,
    isCommitted: true,
  })),
  boundaries: [{ stack: "aws-volume", arn: outputs.permissionsBoundaryArn }],
};

const wrong = (changed: Partial<CiFacts>) =>
  ciChecks({ ...facts, ...changed })
    .filter(({ status }) => status !== "ok")
    .map(({ status, id, message, fix }) => [status, id, message, fix]);

test("all that is there is well", () => {
  expect(wrong({})).toEqual([]);
  expect(ciChecks(facts).map(({ id }) => id)).toEqual([
    "account",
    "state",
    "provider",
    ...["preview", "drift", "deploy"].flatMap(() => ["role", "permissions", "policies"]),
    "repository",
    "variables",
    "branches",
    "boundary",
    "key",
    "committed",
    "key",
    "committed",
  ]);
});

test("an account without credentials, and one without the stack, end the checks there", () => {
  const reason = { message: "no AWS credentials were found.", fix: "aws configure sso" };
  expect(wrong({ account: { known: false, reason }, outputs: value(null) })).toEqual([
    ["fail", "account", "no AWS credentials were found.", "aws configure sso"],
    ["fail", "state", "its bucket has no state of the stack ci.", "imagegen ci setup --stack ci"],
  ]);
});

test("a role that lacks, that trusts another repository, that lacks permissions", () => {
  const [first, second, third] = roles;
  if (!first || !second || !third) throw new Error("there are three roles");
  const changed = [
    { ...first, trust: value(undefined) },
    { ...second, trust: value({ Statement: [] }) },
    { ...third, denied: value({ ...NONE, byRole: Array.from({ length: 14 }, (_, at) => `ec2:Action${at}`) }) },
  ];
  const found = wrong({ roles: changed });
  expect(found.map(([status, id]) => [status, id])).toEqual([
    ["fail", "role"],
    ["fail", "role"],
    ["fail", "permissions"],
  ]);
  expect(found[0]?.[2]).toBe("imagegen-ci-preview: the account has no such role.");
  expect(found[1]?.[2]).toMatch(
    /^imagegen-ci-drift trusts others than repo:org\/repo:environment:drift and repo:org@1\/repo@2/,
  );
  expect(found[2]?.[2]).toMatch(/^imagegen-ci-deploy lacks ec2:Action0, .+, ec2:Action11 and 2 more, by its policies/);
});

test("a role that trusts one subject more, or no audience, fails", () => {
  const [statement] = trustStatements(plan.roles.deploy.trust, outputs.oidcProviderArn);
  if (!statement) throw new Error("there is one statement");
  const { StringEquals } = statement.Condition as { StringEquals: Record<string, string | readonly string[]> };
  const [aud = "", sub = ""] = Object.keys(StringEquals);
  const wider = { ...StringEquals, [sub]: [StringEquals[sub] ?? "", "repo:other/repo:environment:production"].flat() };
  const { [aud]: _, ...open } = StringEquals;
  for (const changed of [wider, open]) {
    const Statement = [{ ...statement, Condition: { StringEquals: changed } }];
    const all = roles.map((role) =>
      role.name === "imagegen-ci-deploy" ? { ...role, trust: value({ Statement }) } : role,
    );
    expect(wrong({ roles: all }).map(([status, id]) => [status, id])).toEqual([["fail", "role"]]);
  }
});

test("an organisation's policy is no fault of the role's", () => {
  const denied = value({ ...NONE, byOrganization: ["ec2:RunInstances"] });
  expect(wrong({ roles: roles.slice(0, 1).map((role) => ({ ...role, denied })) })).toEqual([
    [
      "fail",
      "permissions",
      "a policy of the organisation's denies imagegen-ci-preview ec2:RunInstances.",
      "ask the organisation's administrator",
    ],
  ]);
});

test("a provider without the jobs' audience, a repository that has another name, another default branch", () => {
  const renamed = value({ name: "org/renamed", ids: "1/2", defaultBranch: "main" });
  expect(wrong({ audiences: value(["other"]), repository: renamed }).map(([status, id]) => [status, id])).toEqual([
    ["fail", "provider"],
    ["fail", "repository"],
  ]);
  const other = value({ name: "org/repo", ids: "1/2", defaultBranch: "trunk" });
  expect(wrong({ repository: other })).toEqual([
    ["warn", "repository", "its default branch is trunk, and main is deployed.", expect.stringContaining("workflows")],
  ]);
});

test("what AWS does not answer is unknown, and no failure", () => {
  const found = wrong({ roles: roles.map((role) => ({ ...role, trust: unanswered })), variables: unanswered });
  expect(new Set(found.map(([status]) => status))).toEqual(new Set(["unknown"]));
  expect(found).toHaveLength(4);
});

test("Access Analyzer's remarks are a warning", () => {
  const findings = value([{ type: "SECURITY_WARNING", code: "PASS_ROLE", detail: "Too wide." }]);
  expect(wrong({ roles: roles.slice(0, 1).map((role) => ({ ...role, findings })) })).toEqual([
    ["warn", "policies", "imagegen-ci-preview: PASS_ROLE: Too wide.", expect.stringMatching(/^https:/)],
  ]);
});

test("variables that lack, environments that any branch may use, a file without key and boundary", () => {
  const all = ciVariables(plan, outputs).map((variable, at) => ({
    ...variable,
    found: at === 0 ? "other" : undefined,
  }));
  const found = wrong({
    variables: value(all),
    branches: value({ drift: [], production: ["main", "dev"] }),
    files: [{ stack: "aws-volume", secretsProvider: undefined, isCommitted: false }],
    boundaries: [{ stack: "aws-volume", arn: undefined }],
  });
  expect(found.map(([status, id, message]) => [status, id, message])).toEqual([
    [
      "fail",
      "variables",
      expect.stringMatching(/^missing or of another value: IMAGEGEN_STACK, .+AWS_ROLE_ARN of production\.$/),
    ],
    ["fail", "branches", "these environments are not for main alone: drift (any branch), production (main, dev)."],
    ["fail", "boundary", expect.stringContaining("permissionsBoundaryArn")],
    ["fail", "key", expect.stringContaining("stacks/Pulumi.aws-volume.yaml")],
    ["warn", "committed", expect.stringContaining("not in Git")],
  ]);
});
