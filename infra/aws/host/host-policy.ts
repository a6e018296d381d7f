import { METRICS_NAMESPACE, STACK_TAG } from "../../contract.ts";
import type { S3Location } from "../../plan/aws/arn.ts";
import type { AwsHostPlan } from "../../plan/aws/host.ts";

/** What the policy is about, once AWS has named it. */
export interface PolicyArns {
  readonly repositoryArn: string;
  readonly logGroupArn: string;
  /** ARN of `<prefix>/deployment`. */
  readonly deploymentArn: string;
  readonly mirrorRoleArn: string;
  readonly volumeArn: string;
}

export interface Statement {
  readonly Sid: string;
  readonly Effect: "Allow";
  readonly Action: readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

/**
 * Everything that a host may do, and nothing else: no service-wide actions, `*` as a resource only where the service
 * knows no narrower one. No container gets at it: the metadata address is closed to them.
 */
export function hostStatements(plan: AwsHostPlan, arns: PolicyArns): readonly Statement[] {
  const readyArn = arns.deploymentArn.replace(/\/deployment$/, "/ready");
  return [
    ...runStatements(plan, arns, [allow("WriteReady", ["ssm:PutParameter"], readyArn)]),
    ...(plan.mirror === null ? [] : [allow("Mirror", ["sts:AssumeRole"], arns.mirrorRoleArn)]),
    ...(plan.selfHealing ? [...selfAttach(plan.stack, arns.volumeArn), ...attachEncrypted(plan)] : []),
  ];
}

export const allow = (sid: string, action: readonly string[], resource: Statement["Resource"]): Statement => ({
  Sid: sid,
  Effect: "Allow",
  Action: action,
  Resource: resource,
});

/** What every host does, also one of a fleet: it pulls, reads what to run, and is seen and reached. `parameters`: what else of them it may. */
export function runStatements(
  plan: AwsHostPlan,
  arns: Omit<PolicyArns, "mirrorRoleArn" | "volumeArn">,
  parameters: readonly Statement[] = [],
): readonly Statement[] {
  return [
    ...pullStatements(arns.repositoryArn),
    allow("ReadDeployment", ["ssm:GetParameter"], arns.deploymentArn),
    ...parameters,
    writeLogs(arns.logGroupArn),
    {
      ...allow("Metrics", ["cloudwatch:PutMetricData"], "*"),
      Condition: { StringEquals: { "cloudwatch:namespace": METRICS_NAMESPACE } },
    },
    allow("SessionManager", [...SESSIONS], "*"),
    ...readSecrets(plan.secretArns, plan),
  ];
}

/** The image, by whoever starts a container of it. */
export const pullStatements = (repositoryArn: string): readonly Statement[] => [
  allow("RegistryToken", ["ecr:GetAuthorizationToken"], "*"),
  allow("Pull", [...PULL], repositoryArn),
];

export const writeLogs = (logGroupArn: string): Statement =>
  allow("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], [logGroupArn, `${logGroupArn}:*`]);

/** The secrets of a container's environment, with the keys that they are encrypted with. */
export const readSecrets = (arns: readonly string[], keys: KeyUse): readonly Statement[] =>
  arns.length === 0
    ? []
    : [
        allow("Secrets", ["secretsmanager:GetSecretValue"], [...arns]),
        ...decryptThrough("secretsmanager", keys, "SecretKeys"),
      ];

const PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"] as const;

/** The agent's register and its channels, which commands come by too since its version 3.3.40. */
const SESSIONS = [
  "ssm:UpdateInstanceInformation",
  "ssmmessages:CreateControlChannel",
  "ssmmessages:CreateDataChannel",
  "ssmmessages:OpenControlChannel",
  "ssmmessages:OpenDataChannel",
] as const;

/** A host of a group takes the volume itself: this one, and only onto hosts of this stack. It can take it from nobody. */
function selfAttach(stack: string, volumeArn: string): readonly Statement[] {
  const [prefix = ""] = volumeArn.split(":volume/");
  return [
    { Sid: "OwnVolume", Effect: "Allow", Action: ["ec2:AttachVolume"], Resource: volumeArn },
    {
      Sid: "OwnHosts",
      Effect: "Allow",
      Action: ["ec2:AttachVolume"],
      Resource: `${prefix}:instance/*`,
      Condition: { StringEquals: { [`aws:ResourceTag/${STACK_TAG}`]: stack } },
    },
  ];
}

/** Whoever asks for an encrypted secret or object needs its key, too: through that service, and for nothing else. */
function decryptThrough(service: string, { decryptKeyArns, region }: KeyUse, sid: string): readonly Statement[] {
  if (decryptKeyArns.length === 0) return [];
  return [
    {
      Sid: sid,
      Effect: "Allow",
      Action: ["kms:Decrypt"],
      Resource: [...decryptKeyArns],
      Condition: { StringEquals: { "kms:ViaService": viaService(service, region) } },
    },
  ];
}

type KeyUse = Pick<AwsHostPlan, "decryptKeyArns" | "region">;

export const viaService = (service: string, region: string) =>
  `${service}.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;

/** Whoever attaches an encrypted volume hands its key on to EC2, by a grant. */
function attachEncrypted({ decryptKeyArns, region }: KeyUse): readonly Statement[] {
  if (decryptKeyArns.length === 0) return [];
  const via = { StringEquals: { "kms:ViaService": viaService("ec2", region) } };
  return [
    {
      Sid: "VolumeKey",
      Effect: "Allow",
      Action: ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext"],
      Resource: [...decryptKeyArns],
      Condition: via,
    },
    {
      Sid: "VolumeKeyGrant",
      Effect: "Allow",
      Action: ["kms:CreateGrant"],
      Resource: [...decryptKeyArns],
      Condition: { ...via, Bool: { "kms:GrantIsForAWSResource": "true" } },
    },
  ];
}

/** What the container may do with the narrow role that the host takes for it: read one prefix of one bucket. */
export function mirrorStatements(partition: string, { bucket, prefix }: S3Location, keys: KeyUse): Statement[] {
  const arn = `arn:${partition}:s3:::${bucket}`;
  return [
    { Sid: "Read", Effect: "Allow", Action: ["s3:GetObject"], Resource: `${arn}/${prefix}*` },
    {
      Sid: "List",
      Effect: "Allow",
      Action: ["s3:ListBucket"],
      Resource: arn,
      Condition: { StringLike: { "s3:prefix": `${prefix}*` } },
    },
    ...decryptThrough("s3", keys, "MirrorKeys"),
  ];
}
