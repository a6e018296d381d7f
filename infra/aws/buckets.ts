import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";

/** Refuses requests without TLS; for a bucket's policy. */
export const tlsOnly = (bucketArn: string) => ({
  Sid: "TlsOnly",
  Effect: "Deny",
  Principal: "*",
  Action: "s3:*",
  Resource: [bucketArn, `${bucketArn}/*`],
  Condition: { Bool: { "aws:SecureTransport": "false" } },
});

/** No list of access, and no policy, opens the bucket to the public. `opts`: with `retainOnDelete`, where the bucket stays. */
export function closeToPublic(name: string, bucket: aws.s3.Bucket, opts: pulumi.CustomResourceOptions) {
  return new aws.s3.BucketPublicAccessBlock(
    name,
    {
      bucket: bucket.id,
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    },
    opts,
  );
}
