import { METRICS_NAMESPACE, PROJECT } from "../../contract.ts";
import type { CiPlace, ScopedResources } from "./permissions/scopes.ts";
import type { CiPlan } from "./plan.ts";

interface BoundaryStatement extends ScopedResources {
  readonly Sid: string;
  readonly Effect: "Allow";
  readonly Action: readonly string[];
}

type BoundaryPlan = Pick<CiPlan, "deployKmsKeyArns" | "hostResourceArns">;

export const boundaryName = ({ bucketPrefix }: Pick<CiPlan, "bucketPrefix">) => `${bucketPrefix}-boundary`;

/** Written out, and not taken from the resource: the roles' policies name it before it is made. */
export const boundaryArn = (plan: Pick<CiPlan, "bucketPrefix">, { partition, account }: CiPlace) =>
  `arn:${partition}:iam::${account}:policy/${boundaryName(plan)}`;

/**
 * The most that a role of a deployed stack may do, whatever its own policies say: what the host, the lifecycle manager of snapshots,
 * the flow logs, and the workers and gateway of a fleet need, on what is the project's. It gives nothing by itself.
 */
export function boundaryStatements(plan: BoundaryPlan, place: CiPlace): readonly BoundaryStatement[] {
  const { partition, region, account } = place;
  const named = (service: string, name: string) => `arn:${partition}:${service}:${region}:${account}:${name}`;
  const snapshots = `arn:${partition}:ec2:${region}::snapshot/*`;
  const dataVolume = { StringLike: { "aws:ResourceTag/imagegen:volume": "*" } };
  return [
    allow("AnyResource", ANY_RESOURCE, "*"),
    allow("Metrics", ["cloudwatch:PutMetricData"], "*", {
      StringEquals: { "cloudwatch:namespace": METRICS_NAMESPACE },
    }),
    allow("Pull", PULL, named("ecr", "repository/image-gen-*")),
    allow("Parameters", ["ssm:GetParameter", "ssm:PutParameter"], named("ssm", "parameter/imagegen/*")),
    allow("Logs", WRITE_LOGS, named("logs", "log-group:/imagegen/*")),
    allow("Roles", ["sts:AssumeRole"], `arn:${partition}:iam::${account}:role/image-gen-*`),
    allow("DataVolumes", ["ec2:AttachVolume", "ec2:CreateSnapshot"], named("ec2", "volume/*"), dataVolume),
    allow("Hosts", ["ec2:AttachVolume"], named("ec2", "instance/*"), {
      StringEquals: { "aws:ResourceTag/imagegen:project": PROJECT },
    }),
    allow("NewSnapshots", ["ec2:CreateSnapshot"], snapshots),
    allow("TagsOfNewSnapshots", ["ec2:CreateTags"], snapshots, {
      StringEquals: { "ec2:CreateAction": "CreateSnapshot" },
    }),
    allow("OldSnapshots", ["ec2:DeleteSnapshot"], snapshots, dataVolume),
    allow("Jobs", USE_QUEUES, named("sqs", "image-gen-*")),
    allow("JobStore", ["s3:ListBucket"], `arn:${partition}:s3:::image-gen-results-*`),
    allow("JobObjects", USE_OBJECTS, `arn:${partition}:s3:::image-gen-results-*/*`),
    allow(
      "Groups",
      ["autoscaling:SetDesiredCapacity", "autoscaling:SetInstanceProtection"],
      named("autoscaling", GROUPS),
    ),
    ...ofArns(plan),
  ];
}

/** For what AWS names no resource for. */
const ANY_RESOURCE = [
  "autoscaling:DescribeAutoScalingGroups",
  "ec2:DescribeSnapshots",
  "ec2:DescribeVolumes",
  "ecr:GetAuthorizationToken",
  "logs:DescribeLogGroups",
  "ssm:UpdateInstanceInformation",
  "ssmmessages:CreateControlChannel",
  "ssmmessages:CreateDataChannel",
  "ssmmessages:OpenControlChannel",
  "ssmmessages:OpenDataChannel",
];
const PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
const USE_QUEUES = [
  "sqs:ChangeMessageVisibility",
  "sqs:DeleteMessage",
  "sqs:GetQueueAttributes",
  "sqs:ReceiveMessage",
  "sqs:SendMessage",
];
const USE_OBJECTS = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"];
const GROUPS = "autoScalingGroup:*:autoScalingGroupName/image-gen-*";
const WRITE_LOGS = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"];

/** Objects of a fleet's jobs are written with a data key, disks with one that nobody sees. */
const USE_KEYS = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"];

/** What config names by its ARN: secrets and their keys, the bucket of the mirror. */
function ofArns({ deployKmsKeyArns, hostResourceArns }: BoundaryPlan): readonly BoundaryStatement[] {
  const of = (service: string) => hostResourceArns.filter((arn) => arn.split(":")[2] === service);
  const keys = [...new Set([...deployKmsKeyArns, ...of("kms")])];
  const buckets = of("s3");
  const statements = [
    allow("Secrets", ["secretsmanager:GetSecretValue"], of("secretsmanager")),
    allow("Keys", USE_KEYS, keys),
    allow("KeyGrants", ["kms:CreateGrant"], keys, { Bool: { "kms:GrantIsForAWSResource": "true" } }),
    allow("Buckets", ["s3:ListBucket"], buckets),
    allow(
      "Objects",
      ["s3:GetObject"],
      buckets.map((arn) => `${arn}/*`),
    ),
  ];
  return statements.filter(({ Resource }) => Resource.length > 0);
}

function allow(
  Sid: string,
  Action: readonly string[],
  Resource: ScopedResources["Resource"],
  Condition?: ScopedResources["Condition"],
): BoundaryStatement {
  return { Sid, Effect: "Allow", Action, Resource, ...(Condition ? { Condition } : {}) };
}
