import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { JobsPlan } from "../../plan/fleet/jobs.ts";
import { closeToPublic, tlsOnly } from "../buckets.ts";
import { policyDocument } from "../iam.ts";

/** The bucket with jobs, inputs, results and what workers say of themselves. Everything in it expires. */
export class JobStore extends pulumi.ComponentResource {
  /** `s3://bucket/prefix`. */
  readonly address: pulumi.Output<string>;
  readonly bucketArn: pulumi.Output<string>;

  constructor(name: string, { plan }: { readonly plan: JobsPlan }, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:fleet:JobStore", name, {}, opts);
    const part = { parent: this, retainOnDelete: plan.retain };

    const bucket = new aws.s3.Bucket(
      `${name}-results`,
      { forceDestroy: !plan.retain },
      { ...part, protect: plan.retain },
    );
    const own = { bucket: bucket.id };
    const access = closeToPublic(`${name}-results`, bucket, part);
    new aws.s3.BucketServerSideEncryptionConfiguration(
      `${name}-results`,
      {
        ...own,
        rules: [
          plan.kmsKeyArn === null
            ? { applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }
            : {
                applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms", kmsMasterKeyId: plan.kmsKeyArn },
                // Else each object is a request to KMS.
                bucketKeyEnabled: true,
              },
        ],
      },
      part,
    );
    new aws.s3.BucketLifecycleConfiguration(
      `${name}-results`,
      {
        ...own,
        rules: [
          {
            id: "expire",
            status: "Enabled",
            filter: { prefix: "" },
            expiration: { days: plan.resultDays },
            abortIncompleteMultipartUpload: { daysAfterInitiation: 1 },
          },
        ],
      },
      part,
    );
    new aws.s3.BucketPolicy(
      `${name}-results`,
      { ...own, policy: bucket.arn.apply((arn) => policyDocument([tlsOnly(arn)])) },
      { ...part, dependsOn: [access] },
    );

    this.address = pulumi.interpolate`s3://${bucket.bucket}/${plan.prefix}`;
    this.bucketArn = bucket.arn;
    this.registerOutputs({ address: this.address, bucketArn: this.bucketArn });
  }
}
