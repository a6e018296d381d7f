import { AwsError } from "../aws-error.ts";
import type { Cloud } from "../cloud.ts";
import { type Kind, record, text } from "../kind.ts";
import { by, plain } from "./plain.ts";

const BUCKET = "aws:s3/bucket:Bucket";
const POLICY = "aws:s3/bucketPolicy:BucketPolicy";
const ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration";
const DELIVERY = "logdelivery.elasticloadbalancing.amazonaws.com";

/** What belongs to one bucket, and is put over what was there. */
const part = (token: string, put: string, remove: string) =>
  plain({
    token,
    api: [put, put, remove],
    taggable: false,
    id: by("bucket"),
    replaces: ["bucket"],
    references: { bucket: BUCKET },
    sameIdIs: "overwritten",
  });

export const BUCKETS: readonly Kind[] = [
  plain({
    token: BUCKET,
    api: ["CreateBucket", "PutBucketTagging", "DeleteBucket"],
    id: by("bucket"),
    name: "bucket",
    replaces: ["bucketPrefix"],
    outputs: (cloud, key) => ({
      arn: `arn:aws:s3:::${key}`,
      bucketRegionalDomainName: `${key}.s3.${cloud.region}.amazonaws.com`,
    }),
    demand: (_, { bucket }) => {
      if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(text(bucket)))
        throw new AwsError("InvalidBucketName", `The specified bucket is not valid: ${text(bucket)}`);
    },
    beforeDelete: (_, bucket, state) => {
      if (bucket.props.__objects !== undefined && state.forceDestroy !== true)
        throw new AwsError("BucketNotEmpty", "The bucket you tried to delete is not empty");
    },
  }),
  part("aws:s3/bucketVersioning:BucketVersioning", "PutBucketVersioning", "SuspendBucketVersioning"),
  part(POLICY, "PutBucketPolicy", "DeleteBucketPolicy"),
  part(ENCRYPTION, "PutBucketEncryption", "DeleteBucketEncryption"),
  part("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "PutPublicAccessBlock", "DeletePublicAccessBlock"),
  part(
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "PutBucketLifecycleConfiguration",
    "DeleteBucketLifecycle",
  ),
];

/** A load balancer tries to write as soon as it has a bucket: that is there, lets it, and has Amazon's own key. */
export function demandLogBucket(cloud: Cloud, name: string): void {
  const bucket = cloud.find(BUCKET, name);
  if (!bucket)
    throw new AwsError(
      "InvalidConfigurationRequest",
      `Access Denied for bucket: ${name}. Please check S3bucket permission`,
    );
  const policy = text(cloud.find(POLICY, name)?.props.policy);
  const allowed = policy.includes(DELIVERY) && policy.includes(`${name}/AWSLogs/${cloud.account}/*`);
  const encryption = JSON.stringify(record(cloud.find(ENCRYPTION, name)?.props));
  if (!allowed || encryption.includes("aws:kms"))
    throw new AwsError(
      "InvalidConfigurationRequest",
      `Access Denied for bucket: ${name}. Please check S3bucket permission`,
    );
  // ELBAccessLogTestFile
  bucket.props = { ...bucket.props, __objects: 1 };
}
