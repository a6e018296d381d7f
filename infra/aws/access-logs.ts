import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import type { LoadBalancerPlan } from "../plan/aws/load-balancer.ts";
import { closeToPublic, tlsOnly } from "./buckets.ts";
import { policyDocument } from "./iam.ts";

/** The bucket, and what must be there before a load balancer can write to it. */
export interface AccessLogs {
  readonly bucket: pulumi.Output<string>;
  readonly policy: pulumi.Resource;
}

/** A bucket that a load balancer writes its access logs to, kept as long as the stack's other logs. It goes with the stack. */
export function createAccessLogs(name: string, plan: LoadBalancerPlan, parent: pulumi.Resource): AccessLogs {
  const bucket = new aws.s3.Bucket(`${name}-alb-logs`, { forceDestroy: true }, { parent });
  const own = { bucket: bucket.id };
  const access = closeToPublic(`${name}-alb-logs`, bucket, { parent });
  new aws.s3.BucketServerSideEncryptionConfiguration(
    `${name}-alb-logs`,
    // Load balancers write with no key but Amazon's.
    { ...own, rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }] },
    { parent },
  );
  new aws.s3.BucketLifecycleConfiguration(
    `${name}-alb-logs`,
    {
      ...own,
      rules: [
        {
          id: "expire",
          status: "Enabled",
          filter: { prefix: "" },
          expiration: { days: plan.logRetentionDays },
          abortIncompleteMultipartUpload: { daysAfterInitiation: 1 },
        },
      ],
    },
    { parent },
  );
  const policy = new aws.s3.BucketPolicy(
    `${name}-alb-logs`,
    { ...own, policy: bucket.arn.apply((arn) => policyDocument(statements(arn, plan))) },
    { parent, dependsOn: [access] },
  );
  return { bucket: bucket.id, policy };
}

/** Load balancers of this account may write, and nobody comes without TLS. */
function statements(bucket: string, { account }: LoadBalancerPlan): object[] {
  return [
    {
      Sid: "Deliver",
      Effect: "Allow",
      Principal: { Service: "logdelivery.elasticloadbalancing.amazonaws.com" },
      Action: "s3:PutObject",
      // The account is in the path: whether each region sends `aws:SourceArn` with it is documented nowhere.
      Resource: `${bucket}/AWSLogs/${account}/*`,
    },
    tlsOnly(bucket),
  ];
}
