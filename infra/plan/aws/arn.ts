/** The partition that a region's ARNs begin with. */
export function awsPartition(region: string): string {
  if (region.startsWith("cn-")) return "aws-cn";
  return region.startsWith("us-gov-") ? "aws-us-gov" : "aws";
}

export interface S3Location {
  readonly bucket: string;
  readonly prefix: string;
}

/** `s3://bucket/a/b` → bucket and `a/b/`; the prefix of a whole bucket is empty. */
export function parseS3Uri(uri: string): S3Location {
  const [bucket = "", ...path] = uri.slice("s3://".length).split("/");
  return { bucket, prefix: path.length === 0 ? "" : `${path.join("/")}/` };
}
