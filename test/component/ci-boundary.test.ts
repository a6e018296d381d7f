/** The boundary that a stack for CI makes: no role of a deployed stack needs more, and each has it where config names it. */
import { expect, test } from "vitest";
import { coversArn } from "../../aws-fake/iam/evaluate.ts";
import { boundaryArn, boundaryStatements } from "../../infra/plan/ci/boundary.ts";
import { inputsOf, runStack } from "../support/aws-program.ts";
import { ALB, awsPlanWith } from "../support/aws-settings.ts";
import { CI_PLACE, ciPlanWith } from "../support/ci-settings.ts";
import { fleetPlanWith, GATEWAY, runFleet } from "../support/fleet-settings.ts";

const KEY = "arn:aws:kms:us-east-1:123456789012:key/1";
const SECRET = ALB.apiKeySecretArn;
const BOUNDARY = boundaryArn(ciPlanWith(), CI_PLACE);
/** A stack with each role that there is, and all that a host may be given. */
const ALL = {
  selfHealing: "true",
  kmsKeyArn: KEY,
  modelMirror: "s3://models/mirror",
  snapshots: "daily",
  apiKeySecretArn: SECRET,
};
/** The same of a fleet. */
const FLEET = { ...GATEWAY, kmsKeyArn: KEY, modelMirror: "s3://models/mirror", apiKeySecretArn: SECRET };
/** In place of the mocks' names, those that AWS would have. */
const asInAws = (text: string) =>
  text
    .replaceAll("s3:::image-gen-results", "s3:::image-gen-results-0a1b2c3")
    .replaceAll("log-group:image-gen", "log-group:/imagegen/prod")
    .replaceAll(/:(?:1|\*):/g, `:${CI_PLACE.account}:`)
    .replaceAll("repository/r", "repository/image-gen-r")
    .replaceAll("role/r", "role/image-gen-r");

interface Statement {
  readonly Action: readonly string[];
  readonly Resource: string | readonly string[];
}
type Resources = Awaited<ReturnType<typeof runStack>>["resources"];

interface Stack {
  readonly roles: number;
  /** Of all roles. */
  readonly policies: number;
  readonly run: (raw?: Readonly<Record<string, string>>) => Promise<{ readonly resources: Resources }>;
}

const STACKS: readonly (readonly [string, Stack])[] = [
  ["one host", { roles: 4, policies: 4, run: async (raw) => runStack(awsPlanWith({ ...ALL, ...raw })) }],
  [
    "a fleet with its gateway",
    { roles: 5, policies: 6, run: async (raw) => runFleet(fleetPlanWith({ ...FLEET, ...raw })) },
  ],
];

async function needed({ run, policies }: Stack): Promise<readonly Statement[]> {
  const documents = Object.values(inputsOf((await run()).resources, "aws:iam/rolePolicy:RolePolicy"));
  expect(documents).toHaveLength(policies);
  return documents.flatMap(({ policy }) => JSON.parse(asInAws(String(policy))).Statement as Statement[]);
}

/** What the boundary refuses of these. */
async function refusedWith(stack: Stack, hostResourceArns: string): Promise<readonly string[]> {
  const limits = boundaryStatements(ciPlanWith({ hostResourceArns, deployKmsKeyArns: KEY }), CI_PLACE);
  return (await needed(stack)).flatMap(({ Action, Resource }) =>
    Action.flatMap((action) =>
      [Resource].flat().flatMap((arn) => {
        const allowed = limits.some(
          (limit) => limit.Action.includes(action) && [limit.Resource].flat().some((each) => coversArn(each, arn)),
        );
        return allowed ? [] : [`${action} on ${arn}`];
      }),
    ),
  );
}

test.each(STACKS)("each permission of the roles of %s is within it", async (_, stack) => {
  expect(await refusedWith(stack, `${SECRET},arn:aws:s3:::models`)).toEqual([]);
});

test.each(STACKS)("a secret and a bucket that config does not name are not: %s", async (_, stack) => {
  expect([...(await refusedWith(stack, ""))].sort()).toEqual([
    "s3:GetObject on arn:aws:s3:::models/mirror/*",
    "s3:ListBucket on arn:aws:s3:::models",
    `secretsmanager:GetSecretValue on ${SECRET}`,
  ]);
});

test("no role with it may change an identity or read the state", () => {
  const limits = boundaryStatements(ciPlanWith({ hostResourceArns: "arn:aws:s3:::models" }), CI_PLACE);
  const actions = limits.flatMap(({ Action }) => Action);
  expect(actions.filter((action) => action.startsWith("iam:") || action.includes("*"))).toEqual([]);
  const state = `${CI_PLACE.bucketArn}/.pulumi/stacks/p/aws-volume.json`;
  const objects = limits.filter(({ Action }) => Action.includes("s3:GetObject")).flatMap(({ Resource }) => Resource);
  expect(objects).toEqual(["arn:aws:s3:::image-gen-results-*/*", "arn:aws:s3:::models/*"]);
  expect(objects.filter((pattern) => coversArn(pattern, state))).toEqual([]);
});

test.each(STACKS)(
  "each role of %s has it where config names it, and none has one where not",
  async (_, { run, roles }) => {
    const boundaries = async (raw: Record<string, string>) => {
      const { resources } = await run(raw);
      return Object.values(inputsOf(resources, "aws:iam/role:Role")).map((role) => role.permissionsBoundary);
    };
    expect(await boundaries({ permissionsBoundaryArn: BOUNDARY })).toEqual(
      Array.from({ length: roles }, () => BOUNDARY),
    );
    expect(await boundaries({})).toEqual(Array.from({ length: roles }, () => undefined));
  },
);
