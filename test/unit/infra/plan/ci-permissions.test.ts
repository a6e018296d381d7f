/** What the roles of CI may do, and on what. */
import { expect, test } from "vitest";
import { coversArn } from "../../../../aws-fake/iam/evaluate.ts";
import { boundaryStatements } from "../../../../infra/plan/ci/boundary.ts";
import { type CiPolicy, rolePolicies } from "../../../../infra/plan/ci/roles.ts";
import type { RoleName } from "../../../../infra/plan/ci/trust.ts";
import { CI_EXTRAS, CI_PLACE, ciPlanWith } from "../../../support/ci-settings.ts";

const ROLES: readonly RoleName[] = ["preview", "drift", "deploy", "canary", "mirror"];
/** The longest names that AWS has. */
const FAR = { ...CI_PLACE, partition: "aws-us-gov", region: "ap-northeast-123" };

const statementsOf = (policies: readonly CiPolicy[]) => policies.flatMap(({ statements }) => statements);
const policiesOf = (role: RoleName, raw: Readonly<Record<string, string>> = CI_EXTRAS, place = CI_PLACE) =>
  rolePolicies(role, ciPlanWith(raw), place);
const actionsOf = (role: RoleName) => statementsOf(policiesOf(role)).flatMap(({ Action }) => Action);

test("a preview reads what the program looks up and its copy of the state, and nothing else", () => {
  expect(policiesOf("preview")).toEqual([
    {
      name: "reads",
      statements: [
        {
          Sid: "AnyResource",
          Effect: "Allow",
          Action: [
            "ec2:DescribeAvailabilityZones",
            "ec2:DescribeInstanceTypeOfferings",
            "ec2:DescribeInstanceTypes",
            "ec2:DescribeSubnets",
          ],
          Resource: "*",
        },
        {
          Sid: "PublicParameters",
          Effect: "Allow",
          Action: ["ssm:GetParameter"],
          Resource: "arn:aws:ssm:us-east-1:*:parameter/aws/service/*",
        },
        {
          Sid: "Previews",
          Effect: "Allow",
          Action: ["s3:GetObject"],
          Resource: "arn:aws:s3:::imagegen-ci-123456789012-us-east-1/previews/*",
        },
      ],
    },
  ]);
});

test("drift changes nothing but the copy for previews", () => {
  const changing = actionsOf("drift").filter(
    (action) => !/:(?:Get|List|Describe|View|BatchGet|BatchCheck)\w*$/.test(action),
  );
  expect(changing.sort()).toEqual(["kms:Decrypt", "s3:PutObject"]);
  const writes = statementsOf(policiesOf("drift")).filter(({ Action }) => Action.includes("s3:PutObject"));
  expect(writes.map(({ Resource }) => Resource)).toEqual([`${CI_PLACE.bucketArn}/previews/*`]);
});

test("a deployment may do all that drift may, but for writing the copy", () => {
  const deploy = actionsOf("deploy");
  expect([...new Set(actionsOf("drift"))].filter((action) => !deploy.includes(action))).toEqual([]);
  const writes = statementsOf(policiesOf("deploy")).filter(({ Action }) => Action.includes("s3:PutObject"));
  expect(writes.map(({ Resource }) => Resource)).toEqual([`${CI_PLACE.bucketArn}/.pulumi/*`]);
});

test("the canary may do all that a deployment may, with a state of its own that no other role reaches, and opens a tunnel to its host", () => {
  const isOwn = /^(?:State|CanaryState|TunnelHosts|TunnelDocument)$/;
  const shared = (role: RoleName) => statementsOf(policiesOf(role)).filter(({ Sid }) => !isOwn.test(Sid));
  expect(shared("canary")).toEqual(shared("deploy"));
  const own = statementsOf(policiesOf("canary")).filter(({ Sid }) => isOwn.test(Sid));
  expect(own.map(({ Action, Resource, Condition }) => [Action, Resource, Condition])).toEqual([
    [["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], `${CI_PLACE.bucketArn}/canary/.pulumi/*`, undefined],
    [
      ["ssm:StartSession"],
      ["arn:aws:ec2:us-east-1:123456789012:instance/*"],
      { StringEquals: { "aws:ResourceTag/imagegen:project": "Picture-Perfect-Challenge" } },
    ],
    [["ssm:StartSession"], "arn:aws:ssm:us-east-1::document/AWS-StartPortForwardingSession", undefined],
  ]);
  for (const role of ROLES.filter((name) => name !== "canary")) {
    const reaching = statementsOf(policiesOf(role)).filter(({ Resource }) =>
      [Resource]
        .flat()
        .some((pattern) => pattern !== "*" && coversArn(pattern, `${CI_PLACE.bucketArn}/canary/.pulumi/x`)),
    );
    expect(reaching, role).toEqual([]);
  }
});

test("the mirror is read and written, and nothing else is", () => {
  const [policy, ...others] = policiesOf("mirror");
  expect(others).toEqual([]);
  expect(policy?.statements).toEqual([
    { Sid: "MirrorBucket", Effect: "Allow", Action: ["s3:ListBucket"], Resource: ["arn:aws:s3:::models"] },
    {
      Sid: "Mirror",
      Effect: "Allow",
      Action: ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"],
      Resource: ["arn:aws:s3:::models/mirror/*"],
    },
  ]);
  const key = "arn:aws:kms:us-east-1:123456789012:key/of-the-mirror";
  const ofKey = { mirrorUri: "s3://models", hostResourceArns: `arn:aws:s3:::models,${key}` };
  expect(statementsOf(policiesOf("mirror", ofKey)).at(-1)).toEqual({
    Sid: "CustomerKeys",
    Effect: "Allow",
    Action: ["kms:Decrypt", "kms:GenerateDataKey"],
    Resource: [key],
  });
  const bucket = statementsOf(policiesOf("mirror", { mirrorUri: "s3://models" }));
  expect(bucket.map(({ Resource }) => Resource)).toEqual([["arn:aws:s3:::models"], ["arn:aws:s3:::models/*"]]);
});

test("a role is handed to four services, and no other", () => {
  const passed = statementsOf(policiesOf("deploy")).filter(({ Action }) => Action.includes("iam:PassRole"));
  expect(passed.length).toBeGreaterThan(0);
  for (const { Action, Resource, Condition } of passed) {
    expect({ Action, Resource, Condition }).toEqual({
      Action: ["iam:PassRole"],
      Resource: "arn:aws:iam::123456789012:role/image-gen-*",
      Condition: {
        StringEquals: {
          "iam:PassedToService": [
            "dlm.amazonaws.com",
            "ec2.amazonaws.com",
            "ecs-tasks.amazonaws.com",
            "vpc-flow-logs.amazonaws.com",
          ],
        },
      },
    });
  }
});

test("no role may change what the stack for CI has: its roles, its bucket, its key", () => {
  const own = [
    "arn:aws:iam::123456789012:role/imagegen-ci-deploy",
    "arn:aws:iam::123456789012:policy/imagegen-ci-deploy-state",
    "arn:aws:iam::123456789012:policy/imagegen-ci-boundary",
    `${CI_PLACE.bucketArn}/ci/.pulumi/stacks/p/ci.json`,
    `${CI_PLACE.bucketArn}/ci/.pulumi/locks/organization/p/ci/1.json`,
    "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com",
    CI_PLACE.bucketArn,
    CI_PLACE.keyArn,
  ];
  for (const role of ROLES) {
    for (const { Action, Resource } of statementsOf(policiesOf(role))) {
      const reached = own.filter((arn) =>
        [Resource].flat().some((pattern) => pattern !== "*" && coversArn(pattern, arn)),
      );
      const changing = Action.filter((action) => !["s3:ListBucket", "kms:Decrypt", "kms:Encrypt"].includes(action));
      expect(reached.length === 0 ? [] : changing, `${role}: ${reached.join()}`).toEqual([]);
    }
  }
});

test("a deployment reaches the state of the stacks that it deploys, and its locks and history", () => {
  const [state] = statementsOf(policiesOf("deploy")).filter(({ Action }) => Action.includes("s3:PutObject"));
  for (const path of ["meta.yaml", "stacks/p/s.json", "locks/organization/p/s/1.json", "history/p/s/s-1.json"])
    expect(coversArn(String(state?.Resource), `${CI_PLACE.bucketArn}/.pulumi/${path}`)).toBe(true);
});

test("a deployment makes no role, and no policy of one, without the boundary; it takes no boundary away", () => {
  const deploy = statementsOf(policiesOf("deploy"));
  const bound = ["iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"];
  const found = deploy.filter(({ Action }) => Action.some((action) => bound.includes(action)));
  expect(found).toEqual([
    {
      Sid: "BoundedRoles",
      Effect: "Allow",
      Action: bound,
      Resource: "arn:aws:iam::123456789012:role/image-gen-*",
      Condition: {
        StringEquals: { "iam:PermissionsBoundary": "arn:aws:iam::123456789012:policy/imagegen-ci-boundary" },
      },
    },
  ]);
  const others = ["DeleteRolePermissionsBoundary", "AttachRolePolicy", "CreatePolicyVersion", "CreateUser"];
  expect(actionsOf("deploy").filter((action) => others.includes(action.replace("iam:", "")))).toEqual([]);
});

test("what may be used on EC2's resources without the project's tag is a launch, a group and a spot request", () => {
  const untagged = statementsOf(policiesOf("deploy")).filter(
    ({ Action, Resource, Condition }) =>
      Resource !== "*" && Condition === undefined && Action.some((action) => action.startsWith("ec2:")),
  );
  const kindsOf = (resource: string | readonly string[]) =>
    [resource].flat().map((arn) => arn.split(":").slice(5).join(":"));
  expect(untagged.map(({ Action, Resource }) => [Action, kindsOf(Resource)])).toEqual([
    [
      ["ec2:RunInstances"],
      ["network-interface/*", "security-group/*", "spot-instances-request/*", "subnet/*", "volume/*", "image/*"],
    ],
    [["ec2:CancelSpotInstanceRequests"], ["spot-instances-request/*"]],
    [["ec2:AttachVolume", "ec2:DetachVolume"], ["volume/vol-0a1b2c3d"]],
    [["ec2:CreateSecurityGroup"], ["vpc/*"]],
  ]);
});

test("a snapshot is made of the project's volumes alone, and a volume of the project's snapshots", () => {
  const statements = statementsOf(policiesOf("deploy"));
  const of = (action: string, kind: string) =>
    statements.filter(
      ({ Action, Resource }) => Action.includes(action) && [Resource].flat().some((arn) => arn.endsWith(`:${kind}/*`)),
    );
  const ours = (tag: string) => ({ StringEquals: { [`aws:${tag}/imagegen:project`]: "Picture-Perfect-Challenge" } });
  expect(of("ec2:CreateSnapshot", "volume").map(({ Condition }) => Condition)).toEqual([ours("ResourceTag")]);
  expect(of("ec2:CreateVolume", "snapshot").map(({ Condition }) => Condition)).toEqual([ours("ResourceTag")]);
  expect(of("ec2:RunInstances", "snapshot").map(({ Condition }) => Condition)).toEqual([ours("ResourceTag")]);
});

test("an existing volume is tagged only where config names it, by one key, and never by none", () => {
  const tags = (raw: Readonly<Record<string, string>>) =>
    statementsOf(policiesOf("deploy", raw)).filter(({ Sid }) => /TagOfVolumes|AdoptedVolumes/.test(Sid));
  expect(tags({})).toEqual([]);
  expect(tags(CI_EXTRAS)).toContainEqual({
    Sid: "Ec2TagOfVolumes",
    Effect: "Allow",
    Action: ["ec2:CreateTags", "ec2:DeleteTags"],
    Resource: ["arn:aws:ec2:us-east-1:123456789012:volume/vol-0a1b2c3d"],
    Condition: {
      "ForAllValues:StringEquals": { "aws:TagKeys": ["imagegen:volume"] },
      Null: { "aws:TagKeys": "false" },
    },
  });
  const guarded = statementsOf(policiesOf("deploy")).filter(({ Condition }) =>
    Object.keys(Condition ?? {}).some((operator) => operator.startsWith("ForAllValues")),
  );
  for (const { Condition } of guarded) expect(Condition?.Null).toEqual({ "aws:TagKeys": "false" });
});

test("the boundary fits into IAM's 6,144 characters in every region", () => {
  const statements = boundaryStatements(ciPlanWith(CI_EXTRAS), FAR);
  expect(JSON.stringify({ Version: "2012-10-17", Statement: statements }).length).toBeLessThanOrEqual(6144);
});

test("without keys and secrets of its own, a deployment has none of the account's", () => {
  const sids = statementsOf(policiesOf("deploy", {})).map(({ Sid }) => Sid);
  expect(sids).not.toContain("CustomerKeys");
  expect(sids).not.toContain("ClientSecrets");
  const found = statementsOf(policiesOf("deploy")).filter(({ Sid }) => /CustomerKeys|ClientSecrets/.test(Sid));
  expect(found.map(({ Resource }) => Resource)).toEqual([[CI_EXTRAS.deployKmsKeyArns], [CI_EXTRAS.deploySecretArns]]);
});

test.each(ROLES)(
  "%s: each policy fits into IAM's 6,144 characters in every region, and there are 10 at most",
  (role) => {
    const policies = policiesOf(role, CI_EXTRAS, FAR);
    expect(policies.length).toBeLessThanOrEqual(10);
    for (const { name, statements } of policies) {
      const text = JSON.stringify({ Version: "2012-10-17", Statement: statements });
      expect(text.length, name).toBeLessThanOrEqual(6144);
    }
  },
);

test.each(ROLES)("%s: every action is written out, in one statement a scope", (role) => {
  for (const { name, statements } of policiesOf(role)) {
    const sids = statements.map(({ Sid }) => Sid);
    expect(new Set(sids).size, name).toBe(sids.length);
    for (const { Action } of statements) {
      expect(Action.filter((action) => !/^[a-z0-9-]+:[A-Z]\w+$/.test(action))).toEqual([]);
      expect(Action).toEqual([...new Set(Action)].sort());
    }
  }
});
