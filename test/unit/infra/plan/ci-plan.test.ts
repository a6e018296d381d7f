import { describe, expect, test } from "vitest";
import { ciCommands } from "../../../../infra/plan/ci/commands.ts";
import { stateBucketName } from "../../../../infra/plan/ci/plan.ts";
import { trustStatements } from "../../../../infra/plan/ci/trust.ts";
import { ciPlanWith } from "../../../support/ci-settings.ts";
import { checkOther } from "../../../support/commands/parsers/others.ts";
import { simpleCommands } from "../../../support/commands/shell.ts";

describe("names", () => {
  test("the bucket's is the account's and the region's, and fits in every region", () => {
    expect(stateBucketName(ciPlanWith(), "123456789012")).toBe("imagegen-ci-123456789012-us-east-1");
    const long = { ...ciPlanWith({ ciPrefix: "x".repeat(25) }), region: "ap-northeast-123" };
    expect(stateBucketName(long, "123456789012").length).toBeLessThanOrEqual(63);
  });

  test("the roles are named after what they do, and last as long as it takes", () => {
    const roles = Object.values(ciPlanWith({ ciPrefix: "blue" }).roles);
    expect(roles.map(({ name, environment, sessionSeconds }) => [name, environment, sessionSeconds])).toEqual([
      ["blue-preview", "preview", 3600],
      ["blue-drift", "drift", 3600],
      ["blue-deploy", "production", 10_800],
    ]);
  });
});

describe("trust", () => {
  test("GitHub's jobs of one repository and one environment", () => {
    const { trust } = ciPlanWith().roles.deploy;
    expect(trustStatements(trust, "arn:provider")).toEqual([
      {
        Effect: "Allow",
        Principal: { Federated: "arn:provider" },
        Action: "sts:AssumeRoleWithWebIdentity",
        Condition: {
          StringEquals: {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:org/repo:environment:production",
          },
        },
      },
    ]);
    const { preview, drift } = ciPlanWith().roles;
    expect([preview.trust.subjects, drift.trust.subjects]).toEqual([
      ["repo:org/repo:environment:preview"],
      ["repo:org/repo:environment:drift"],
    ]);
  });

  test("with the repository's ids, the subject that names them too, without a wildcard", () => {
    const [statement] = trustStatements(ciPlanWith({ repositoryIds: "12/345" }).roles.deploy.trust, "arn:provider");
    expect(statement?.Condition).toEqual({
      StringEquals: {
        "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
        "token.actions.githubusercontent.com:sub": [
          "repo:org/repo:environment:production",
          "repo:org@12/repo@345:environment:production",
        ],
      },
    });
  });

  test("GitLab's jobs of the branch that is deployed; of any branch for a preview", () => {
    const { roles } = ciPlanWith({ ciProvider: "gitlab", repository: "group/sub/repo", deployBranch: "live" });
    expect(Object.values(roles).map(({ trust }) => [trust.match, ...trust.subjects])).toEqual([
      ["StringLike", "project_path:group/sub/repo:ref_type:branch:ref:*"],
      ["StringEquals", "project_path:group/sub/repo:ref_type:branch:ref:live"],
      ["StringEquals", "project_path:group/sub/repo:ref_type:branch:ref:live"],
    ]);
    expect(trustStatements(roles.preview.trust, "arn:provider")[0]?.Condition).toEqual({
      StringEquals: { "gitlab.com:aud": "sts.amazonaws.com" },
      StringLike: { "gitlab.com:sub": "project_path:group/sub/repo:ref_type:branch:ref:*" },
    });
  });
});

describe("commands", () => {
  const names = {
    backendUrl: "s3://bucket?region=us-east-1",
    previewStateUrl: "s3://bucket/previews",
    secretsProvider: "awskms://alias/x?region=us-east-1",
    roleArns: { preview: "arn:p", drift: "arn:d", deploy: "arn:u" },
  };

  test("GitHub's environments, with the branch that may use them, and its variables", () => {
    const api = "gh api --silent --method";
    const path = "repos/org/repo/environments";
    const policy =
      "--field 'deployment_branch_policy[protected_branches]=false' --field 'deployment_branch_policy[custom_branch_policies]=true'";
    expect(ciCommands(ciPlanWith(), names)).toEqual([
      `${api} PUT ${path}/preview`,
      `${api} PUT ${path}/drift ${policy}`,
      `${api} POST ${path}/drift/deployment-branch-policies -f name=main`,
      `${api} PUT ${path}/production ${policy}`,
      `${api} POST ${path}/production/deployment-branch-policies -f name=main`,
      "gh variable set IMAGEGEN_STACK --repo org/repo --body aws-volume",
      "gh variable set PULUMI_BACKEND_URL --repo org/repo --body 's3://bucket?region=us-east-1'",
      "gh variable set IMAGEGEN_PREVIEW_STATE --repo org/repo --body s3://bucket/previews",
      "gh variable set AWS_REGION --repo org/repo --body us-east-1",
      "gh variable set AWS_ROLE_ARN --repo org/repo --env preview --body arn:p",
      "gh variable set AWS_ROLE_ARN --repo org/repo --env drift --body arn:d",
      "gh variable set AWS_ROLE_ARN --repo org/repo --env production --body arn:u",
    ]);
  });

  test("GitHub's environments and variables of the canary and the mirror, where they are wanted", () => {
    const roleArns = { ...names.roleArns, canary: "arn:c", mirror: "arn:m" };
    const plan = ciPlanWith({ canaryStack: "trial", mirrorUri: "s3://models/mirror" });
    const usual = ciCommands(ciPlanWith(), names);
    const more = ciCommands(plan, { ...names, roleArns }).filter((line) => !usual.includes(line));
    const api = "gh api --silent --method";
    const policy =
      "--field 'deployment_branch_policy[protected_branches]=false' --field 'deployment_branch_policy[custom_branch_policies]=true'";
    expect(more).toEqual([
      ...["canary", "mirror"].flatMap((environment) => [
        `${api} PUT repos/org/repo/environments/${environment} ${policy}`,
        `${api} POST repos/org/repo/environments/${environment}/deployment-branch-policies -f name=main`,
      ]),
      "gh variable set IMAGEGEN_CANARY_STACK --repo org/repo --body trial",
      "gh variable set AWS_ROLE_ARN --repo org/repo --env canary --body arn:c",
      "gh variable set AWS_ROLE_ARN --repo org/repo --env mirror --body arn:m",
      "gh variable set PULUMI_BACKEND_URL --repo org/repo --env canary --body 's3://bucket/canary?region=us-east-1'",
      "gh variable set IMAGEGEN_SECRETS_PROVIDER --repo org/repo --env canary --body 'awskms://alias/x?region=us-east-1'",
      "gh variable set IMAGEGEN_MIRROR --repo org/repo --env mirror --body s3://models/mirror",
    ]);
  });

  test("GitLab's variables, by environment, each whether it is there or not", () => {
    const plan = ciPlanWith({ ciProvider: "gitlab", repository: "group/sub/repo", deployStack: "prod" });
    const given = [
      "IMAGEGEN_STACK prod --repo group/sub/repo",
      "PULUMI_BACKEND_URL 's3://bucket?region=us-east-1' --repo group/sub/repo",
      "IMAGEGEN_PREVIEW_STATE s3://bucket/previews --repo group/sub/repo",
      "AWS_REGION us-east-1 --repo group/sub/repo",
      "AWS_ROLE_ARN arn:p --repo group/sub/repo --scope preview",
      "AWS_ROLE_ARN arn:d --repo group/sub/repo --scope drift",
      "AWS_ROLE_ARN arn:u --repo group/sub/repo --scope production",
    ];
    expect(ciCommands(plan, names)).toEqual(
      given.map((words) => `glab variable update ${words} || glab variable set ${words}`),
    );
  });

  test.each(["github", "gitlab"])("the lines for %s are ones that a shell and the tool take", (ciProvider) => {
    const lines = ciCommands(ciPlanWith({ ciProvider, repository: "org/repo" }), names);
    const commands = lines.flatMap((line) => simpleCommands(line));
    expect(commands).toHaveLength(ciProvider === "gitlab" ? 2 * lines.length : lines.length);
    expect(commands.flatMap(({ words }) => checkOther(words) ?? [])).toEqual([]);
  });
});
