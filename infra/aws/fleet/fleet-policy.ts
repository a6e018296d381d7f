import { awsPartition } from "../../plan/aws/arn.ts";
import type { AwsHostPlan } from "../../plan/aws/host.ts";
import type { GatewayPlan } from "../../plan/fleet/gateway.ts";
import type { JobsPlan } from "../../plan/fleet/jobs.ts";
import {
  allow,
  mirrorStatements,
  pullStatements,
  readSecrets,
  type Statement,
  viaService,
  writeLogs,
} from "../host/host-policy.ts";

/** What the policies of a fleet are about, once AWS has named it. */
export interface JobArns {
  readonly queueArn: string;
  readonly deadLettersArn: string;
  readonly bucketArn: string;
}

export type ClientArns = Pick<JobArns, "queueArn" | "bucketArn"> & {
  /** Of the group of spot hosts. */
  readonly groupArn: string;
};

/** Everything that a worker's container may do: take jobs, keep what it makes of them, read the mirror. */
export function workerStatements(plan: AwsHostPlan, jobs: JobsPlan, arns: JobArns): readonly Statement[] {
  const mirror = plan.mirror === null ? [] : mirrorStatements(awsPartition(plan.region), plan.mirror, plan);
  return [
    allow("TakeJobs", [...TAKE], arns.queueArn),
    allow("DeadLetters", ["sqs:SendMessage"], arns.deadLettersArn),
    ...storeStatements(jobs, arns.bucketArn, plan.region),
    // Two documents in one: their statements keep names of their own.
    ...mirror.map((statement) => ({ ...statement, Sid: `Mirror${statement.Sid}` })),
  ];
}

/** A worker protects its host while it has jobs. Of both groups: their hosts have one role. */
export const protectionStatements = (groupArns: readonly string[]): readonly Statement[] => [
  allow("ProtectHost", ["autoscaling:SetInstanceProtection"], groupArns),
];

const TAKE = [
  "sqs:ReceiveMessage",
  "sqs:DeleteMessage",
  "sqs:ChangeMessageVisibility",
  "sqs:GetQueueAttributes",
] as const;

/** Objects of the job store, for workers and for whoever sends jobs. */
function storeStatements({ prefix, kmsKeyArn }: JobsPlan, bucketArn: string, region: string): readonly Statement[] {
  const key: Statement[] =
    kmsKeyArn === null
      ? []
      : [
          {
            ...allow("ResultsKey", ["kms:Decrypt", "kms:GenerateDataKey"], kmsKeyArn),
            Condition: { StringEquals: { "kms:ViaService": viaService("s3", region) } },
          },
        ];
  return [
    allow("Results", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], `${bucketArn}/${prefix}/*`),
    {
      ...allow("ListResults", ["s3:ListBucket"], bucketArn),
      Condition: { StringLike: { "s3:prefix": `${prefix}/*` } },
    },
    ...key,
  ];
}

/** What whoever sends jobs needs, a gateway say, as the output `clientPolicy` has it: it may wake the fleet, too. */
export const clientStatements = (
  jobs: JobsPlan,
  { queueArn, bucketArn, groupArn }: ClientArns,
  region: string,
): readonly Statement[] => [
  allow("SendJobs", ["sqs:SendMessage", "sqs:GetQueueAttributes"], queueArn),
  ...storeStatements(jobs, bucketArn, region),
  allow("Wake", ["autoscaling:SetDesiredCapacity"], groupArn),
  // AWS names no resource for it.
  allow("Hosts", ["autoscaling:DescribeAutoScalingGroups"], "*"),
];

/** What the start of a gateway's task is about. */
export interface ExecutionArns {
  readonly repositoryArn: string;
  readonly logGroupArn: string;
}

/** What ECS needs to start a task of the gateway: the image, its log, its secrets. */
export const executionStatements = (
  plan: Pick<AwsHostPlan, "decryptKeyArns" | "region">,
  { secrets }: Pick<GatewayPlan, "secrets">,
  { repositoryArn, logGroupArn }: ExecutionArns,
): readonly Statement[] => [
  ...pullStatements(repositoryArn),
  writeLogs(logGroupArn),
  ...readSecrets([...new Set(Object.values(secrets))], plan),
];
