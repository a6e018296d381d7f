import { CliError } from "../../core/exit.ts";
import { type AwsClientConfig, sdkOptions } from "../aws/client/client-config.ts";
import { toCliError } from "../aws/client/errors.ts";

/**
 * Whether the account has the bucket. Anybody may make one of a name that can be guessed: throws a CliError for one that is another
 * account's, or that these credentials may not see.
 */
export async function hasBucket(client: AwsClientConfig, bucket: string, account: string): Promise<boolean> {
  const sdk = await import("@aws-sdk/client-s3");
  try {
    await new sdk.S3Client(sdkOptions(client)).send(
      new sdk.HeadBucketCommand({ Bucket: bucket, ExpectedBucketOwner: account }),
    );
    return true;
  } catch (error) {
    const { $metadata: { httpStatusCode: status } = {} } = error as { $metadata?: { httpStatusCode?: number } };
    if (status === 404) return false;
    if (status !== 403) throw toCliError(error, `looking for the bucket ${bucket}`);
    const message = `The bucket ${bucket} is not of the account ${account}, or these credentials may not see it.`;
    throw new CliError({
      message,
      fix: "pulumi config set ciPrefix <another> --stack ci, or credentials that may s3:ListBucket",
    });
  }
}
