import { expect, test } from "vitest";
import { parseSettings } from "../../../../infra/config/parse.ts";
import { wordForPulumi } from "../../../../infra/config/problem.ts";
import { ciProblemsOf, ciSettings } from "../../../support/ci-settings.ts";

const P = "Picture-Perfect-Challenge";
const GITHUB = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com";

test("a stack that only names its repository and a region has everything else decided", () => {
  expect(ciSettings()).toEqual({
    target: "ci",
    region: "us-east-1",
    secretKeys: [],
    repository: "org/repo",
    repositoryIds: null,
    ciProvider: "github",
    canaryStack: null,
    mirrorUri: null,
    oidcProviderArn: null,
    ciPrefix: "imagegen-ci",
    deployBranch: "main",
    deployStack: "aws-volume",
    stateVersionDays: 90,
    deployKmsKeyArns: [],
    deploySecretArns: [],
    hostResourceArns: [],
    deployVolumeIds: [],
  });
});

test("the repository and the region have to be named", () => {
  const parsed = parseSettings({ target: "ci" }, { region: "us-east-1" });
  const lines = "problems" in parsed ? parsed.problems.map(wordForPulumi) : [];
  expect(lines).toEqual([
    `${P}:repository: expected the repository whose jobs may take the roles, with target ci, got nothing. Fix: pulumi config set repository <organisation>/<name>`,
  ]);
  expect(ciProblemsOf({}, "")).toEqual([
    "aws:region: expected a region such as us-east-1, got nothing. Fix: pulumi config set aws:region us-east-1",
  ]);
});

test.each([
  [{ repository: "repo" }, "repository: expected the repository as <organisation>/<name>"],
  [{ repository: "org/re po" }, "repository: expected the repository as <organisation>/<name>"],
  [{ repository: "org/*" }, "repository: expected the repository as <organisation>/<name>"],
  [{ repository: "group/sub/repo" }, "repository: expected <organisation>/<name> with ciProvider github"],
  [{ canaryStack: "aws-volume" }, "canaryStack: expected another stack than deployStack, as it is destroyed"],
  [{ canaryStack: "a b" }, "canaryStack: expected the name of a stack"],
  [{ canaryStack: "canary", ciProvider: "gitlab" }, "canaryStack: expected none with ciProvider gitlab"],
  [{ mirrorUri: "s3://models/a", ciProvider: "gitlab" }, "mirrorUri: expected none with ciProvider gitlab"],
  [{ mirrorUri: "https://models/a" }, "mirrorUri: expected a place in S3 as s3://<bucket>/<prefix>"],
  [{ mirrorUri: "s3://models/*" }, "mirrorUri: expected a place in S3 as s3://<bucket>/<prefix>"],
  [{ mirrorUri: "s3://models/" }, "mirrorUri: expected a place in S3 as s3://<bucket>/<prefix>"],
  [{ oidcProviderArn: "arn:aws:iam::1:role/x" }, "oidcProviderArn: expected the ARN of an OIDC provider in IAM"],
  [
    { oidcProviderArn: GITHUB, ciProvider: "gitlab" },
    "oidcProviderArn: expected the provider of gitlab.com with ciProvider gitlab",
  ],
  [{ repositoryIds: "123456" }, "repositoryIds: expected the ids as <owner's id>/<repository's id>"],
  [{ repositoryIds: "*/*" }, "repositoryIds: expected the ids as <owner's id>/<repository's id>"],
  [
    { repositoryIds: "1/2", ciProvider: "gitlab" },
    "repositoryIds: expected none with ciProvider gitlab, whose tokens name the project's path",
  ],
  [{ ciProvider: "jenkins" }, "ciProvider: expected github or gitlab"],
  [{ ciPrefix: "image-gen-ci" }, "ciPrefix: expected 3 to 25 lower-case letters"],
  [{ ciPrefix: "x".repeat(26) }, "ciPrefix: expected 3 to 25 lower-case letters"],
  [{ deployBranch: "a b" }, "deployBranch: expected the name of a branch"],
  [{ deployBranch: "*" }, "deployBranch: expected the name of a branch"],
  [{ stateVersionDays: "1" }, "stateVersionDays: expected a whole number from 7 to 3650"],
  [{ deployKmsKeyArns: "alias/x" }, "deployKmsKeyArns: expected a list, each the ARN of a KMS key"],
  [{ deployVolumeIds: "vol-*" }, "deployVolumeIds: expected a list, each an id such as vol-0123456789abcdef0"],
  [{ hostResourceArns: "arn:aws:s3:::*" }, "hostResourceArns: expected a list, each the ARN of a secret"],
  [
    { hostResourceArns: "arn:aws:iam::123456789012:role/x" },
    "hostResourceArns: expected a list, each the ARN of a secret",
  ],
  [{ modelCache: "baked" }, "modelCache: expected no such key with target ci"],
  [{ port: "8001" }, "port: expected no such key with target ci"],
] as const)("%j is refused", (raw, line) => {
  const problems = ciProblemsOf(raw as Record<string, string>);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(line);
  expect(problems[0]).toContain("Fix: pulumi config ");
});

test("GitLab's repositories may be in groups, and an existing provider is taken", () => {
  expect(ciSettings({ repository: "group/sub/repo", ciProvider: "gitlab" }).repository).toBe("group/sub/repo");
  expect(ciSettings({ oidcProviderArn: GITHUB }).oidcProviderArn).toBe(GITHUB);
});

test.each(["local", "aws"])("a stack of target %s has no key of a stack for CI", (target) => {
  const parsed = parseSettings({ target, repository: "org/repo" }, { region: "us-east-1" });
  expect("problems" in parsed && parsed.problems.map(wordForPulumi)).toEqual([
    `${P}:repository: expected no such key with target ${target}, got "org/repo". Fix: pulumi config rm repository`,
  ]);
});
