import { describe, expect, test } from "vitest";
import { hostStatements, mirrorStatements } from "../../../../infra/aws/host/host-policy.ts";
import { ALB, awsPlanWith } from "../../../support/aws-settings.ts";

const arns = {
  repositoryArn: "arn:aws:ecr:us-east-1:1:repository/r",
  logGroupArn: "arn:aws:logs:us-east-1:1:log-group:/imagegen/prod",
  deploymentArn: "arn:aws:ssm:us-east-1:1:parameter/imagegen/prod/deployment",
  mirrorRoleArn: "arn:aws:iam::1:role/mirror",
  volumeArn: "arn:aws:ec2:us-east-1:1:volume/vol-1",
};
const statementsWith = (raw: Record<string, string> = {}) => hostStatements(awsPlanWith(raw).host, arns);
const sidsWith = (raw: Record<string, string> = {}) => statementsWith(raw).map(({ Sid }) => Sid);

test("a plain host may pull, read its deployment, write its record, log and be reached: that is all", () => {
  const allowed = statementsWith().map(({ Action, Resource }) => [Action, Resource]);
  expect(allowed).toEqual([
    [["ecr:GetAuthorizationToken"], "*"],
    [
      ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
      "arn:aws:ecr:us-east-1:1:repository/r",
    ],
    [["ssm:GetParameter"], "arn:aws:ssm:us-east-1:1:parameter/imagegen/prod/deployment"],
    [["ssm:PutParameter"], "arn:aws:ssm:us-east-1:1:parameter/imagegen/prod/ready"],
    [
      ["logs:CreateLogStream", "logs:PutLogEvents"],
      ["arn:aws:logs:us-east-1:1:log-group:/imagegen/prod", "arn:aws:logs:us-east-1:1:log-group:/imagegen/prod:*"],
    ],
    [["cloudwatch:PutMetricData"], "*"],
    [
      [
        "ssm:UpdateInstanceInformation",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
      ],
      "*",
    ],
  ]);
});

test("metrics go to one namespace", () => {
  const metrics = statementsWith().find(({ Sid }) => Sid === "Metrics");
  expect(metrics?.Condition).toEqual({ StringEquals: { "cloudwatch:namespace": "ImageGen" } });
});

describe("what is more comes by config alone", () => {
  test.each([
    [{ apiKeySecretArn: ALB.apiKeySecretArn }, "Secrets"],
    [{ modelMirror: "s3://bucket/models" }, "Mirror"],
  ])("%j adds %s", (raw, sid) => {
    expect(sidsWith()).not.toContain(sid);
    expect(sidsWith(raw as Record<string, string>)).toContain(sid);
  });

  test("a host of a group attaches this volume to hosts of this stack, and takes it from nobody", () => {
    const more = statementsWith({ selfHealing: "true" }).filter(({ Sid }) => !sidsWith().includes(Sid));
    expect(more).toEqual([
      { Sid: "OwnVolume", Effect: "Allow", Action: ["ec2:AttachVolume"], Resource: arns.volumeArn },
      {
        Sid: "OwnHosts",
        Effect: "Allow",
        Action: ["ec2:AttachVolume"],
        Resource: "arn:aws:ec2:us-east-1:1:instance/*",
        Condition: { StringEquals: { "aws:ResourceTag/imagegen:stack": "prod" } },
      },
    ]);
  });
});

test.each([
  [{ bucket: "b", prefix: "models/" }, "arn:aws:s3:::b/models/*", "models/*"],
  [{ bucket: "b", prefix: "" }, "arn:aws:s3:::b/*", "*"],
])("a mirror at %j is read, and nothing beside it", (mirror, objects, listed) => {
  expect(mirrorStatements("aws", mirror, awsPlanWith().host)).toEqual([
    { Sid: "Read", Effect: "Allow", Action: ["s3:GetObject"], Resource: objects },
    {
      Sid: "List",
      Effect: "Allow",
      Action: ["s3:ListBucket"],
      Resource: "arn:aws:s3:::b",
      Condition: { StringLike: { "s3:prefix": listed } },
    },
  ]);
});

describe("customer keys", () => {
  const VOLUMES = "arn:aws:kms:us-east-1:123456789012:key/volumes";
  const SECRETS = "arn:aws:kms:us-east-1:123456789012:key/secrets";
  const keys = { kmsKeyArn: VOLUMES, decryptKmsKeyArns: SECRETS };
  const through = (service: string) => ({ StringEquals: { "kms:ViaService": `${service}.us-east-1.amazonaws.com` } });
  const about = (raw: Record<string, string>) =>
    statementsWith(raw).filter(({ Action }) => Action.some((action) => action.startsWith("kms:")));

  test("without a secret, a mirror or a group, the host uses none: EC2 has it from whoever deploys", () =>
    expect(about(keys)).toEqual([]));

  test("secrets are decrypted through Secrets Manager alone", () => {
    expect(about({ ...keys, apiKeySecretArn: ALB.apiKeySecretArn })).toEqual([
      {
        Sid: "SecretKeys",
        Effect: "Allow",
        Action: ["kms:Decrypt"],
        Resource: [VOLUMES, SECRETS],
        Condition: through("secretsmanager"),
      },
    ]);
  });

  test("a mirror is decrypted through S3 alone, by the mirror's own role", () => {
    const { host } = awsPlanWith({ ...keys, modelMirror: "s3://bucket/models" });
    expect(mirrorStatements("aws", { bucket: "b", prefix: "models/" }, host).at(-1)).toEqual({
      Sid: "MirrorKeys",
      Effect: "Allow",
      Action: ["kms:Decrypt"],
      Resource: [VOLUMES, SECRETS],
      Condition: through("s3"),
    });
  });

  test("a host of a group attaches an encrypted volume: it hands the key on to EC2, and to nobody else", () => {
    expect(about({ ...keys, selfHealing: "true" })).toEqual([
      {
        Sid: "VolumeKey",
        Effect: "Allow",
        Action: ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext"],
        Resource: [VOLUMES, SECRETS],
        Condition: through("ec2"),
      },
      {
        Sid: "VolumeKeyGrant",
        Effect: "Allow",
        Action: ["kms:CreateGrant"],
        Resource: [VOLUMES, SECRETS],
        Condition: { ...through("ec2"), Bool: { "kms:GrantIsForAWSResource": "true" } },
      },
    ]);
  });
});
