/** What IAM's simulation is asked of the planned policies. */
import { expect, test } from "vitest";
import { simulatedCalls } from "../../../../cli/targets/ci/simulation.ts";
import { rolePolicies } from "../../../../infra/plan/ci/roles.ts";

const allow = { Sid: "S", Effect: "Allow", Action: ["a:B"] } as const;
const place = {
  partition: "aws",
  region: "us-east-1",
  account: "123456789012",
  bucketArn: "arn:aws:s3:::bucket",
  keyArn: "arn:aws:kms:us-east-1:123456789012:key/k",
};
const plan = {
  bucketPrefix: "imagegen-ci",
  deployKmsKeyArns: [],
  deploySecretArns: [],
  deployVolumeIds: [],
  hostResourceArns: [],
  mirrorUri: null,
};

test("a call for each resource, with something in place of each wildcard", () => {
  expect(simulatedCalls({ ...allow, Resource: ["arn:aws:s3:::a-*/*", "arn:aws:s3:::b"] })).toEqual([
    { actions: ["a:B"], resources: ["arn:aws:s3:::a-example/example"], context: [] },
    { actions: ["a:B"], resources: ["arn:aws:s3:::b"], context: [] },
  ]);
  expect(simulatedCalls({ ...allow, Resource: "*" })).toEqual([{ actions: ["a:B"], resources: ["*"], context: [] }]);
});

test("keys of conditions get values that fulfil them", () => {
  const Condition = {
    StringEquals: { "iam:PassedToService": ["dlm.amazonaws.com", "ec2.amazonaws.com"] },
    StringLike: { "aws:ResourceTag/imagegen:volume": "*" },
    "ForAllValues:StringEquals": { "aws:TagKeys": ["imagegen:volume"] },
    Null: { "aws:TagKeys": "false", "ec2:CreateAction": "false", "aws:SourceVpc": "true" },
  };
  const [call] = simulatedCalls({ ...allow, Resource: "*", Condition });
  const context = Object.fromEntries(call?.context.map(({ key, values }) => [key, values]) ?? []);
  expect(context).toEqual({
    "iam:PassedToService": ["dlm.amazonaws.com"],
    "aws:ResourceTag/imagegen:volume": ["example"],
    "aws:TagKeys": ["imagegen:volume"],
    "ec2:CreateAction": ["example"],
  });
});

test.each(["preview", "drift", "deploy"] as const)("every action of the role %s is asked for", (role) => {
  const statements = rolePolicies(role, plan, place).flatMap((policy) => policy.statements);
  const asked = new Set(statements.flatMap(simulatedCalls).flatMap(({ actions }) => actions));
  expect([...asked].sort()).toEqual([...new Set(statements.flatMap(({ Action }) => Action))].sort());
  expect(asked.size).toBeGreaterThan(5);
});
