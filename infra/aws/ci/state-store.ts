import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { type CiPlan, stateBucketName } from "../../plan/ci/plan.ts";
import { closeToPublic, tlsOnly } from "../buckets.ts";
import { policyDocument } from "../iam.ts";

export interface StateStoreArgs {
  readonly plan: CiPlan;
  readonly account: pulumi.Output<string>;
}

/**
 * The bucket with the stacks' state and its copies for previews, and the key that the secrets in a state are encrypted with. Both are
 * protected: what they hold can't be made again.
 */
export class StateStore extends pulumi.ComponentResource {
  readonly bucket: pulumi.Output<string>;
  readonly bucketArn: pulumi.Output<string>;
  readonly keyArn: pulumi.Output<string>;

  constructor(name: string, { plan, account }: StateStoreArgs, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:ci:StateStore", name, {}, opts);

    const bucket = createBucket(name, plan, account, this);
    const key = createKey(name, plan, this);

    this.bucket = bucket.id;
    this.bucketArn = bucket.arn;
    this.keyArn = key.arn;
    this.registerOutputs({ bucket: this.bucket, keyArn: this.keyArn });
  }
}

function createBucket(name: string, plan: CiPlan, account: pulumi.Output<string>, parent: pulumi.Resource) {
  const child = { parent };
  const bucket = new aws.s3.Bucket(
    `${name}-state`,
    { bucket: account.apply((known) => stateBucketName(plan, known)) },
    { ...child, protect: true },
  );
  const own = { bucket: bucket.id };
  // A state that was overwritten or deleted is still there.
  const versioning = new aws.s3.BucketVersioning(
    `${name}-state`,
    { ...own, versioningConfiguration: { status: "Enabled" } },
    { ...child, protect: true },
  );
  const access = closeToPublic(`${name}-state`, bucket, { parent });
  new aws.s3.BucketServerSideEncryptionConfiguration(
    `${name}-state`,
    {
      ...own,
      // AWS's own key: previews may use no other. Secrets in a state are encrypted with the stack's key besides.
      rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms" }, bucketKeyEnabled: true }],
    },
    child,
  );
  new aws.s3.BucketLifecycleConfiguration(
    `${name}-state`,
    {
      ...own,
      rules: [
        {
          id: "earlier-versions",
          status: "Enabled",
          filter: { prefix: "" },
          noncurrentVersionExpiration: { noncurrentDays: plan.stateVersionDays },
          abortIncompleteMultipartUpload: { daysAfterInitiation: 1 },
        },
      ],
    },
    { ...child, dependsOn: [versioning] },
  );
  new aws.s3.BucketPolicy(
    `${name}-state`,
    { ...own, policy: bucket.arn.apply((arn) => policyDocument([tlsOnly(arn)])) },
    { ...child, dependsOn: [access] },
  );
  return bucket;
}

function createKey(name: string, plan: CiPlan, parent: pulumi.Resource) {
  const key = new aws.kms.Key(
    `${name}-state`,
    {
      description: "Secrets in the state of image-gen's stacks",
      enableKeyRotation: true,
      // The longest time that KMS waits, and in which the deletion can be cancelled.
      deletionWindowInDays: 30,
    },
    { parent, protect: true },
  );
  new aws.kms.Alias(`${name}-state`, { name: plan.keyAlias, targetKeyId: key.keyId }, { parent });
  return key;
}
