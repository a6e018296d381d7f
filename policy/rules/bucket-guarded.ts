import { awsRule } from "./aws-rule.ts";
import { deniesPlainText } from "./tls-only.ts";

const ACCESS = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock";
const POLICY = "aws:s3/bucketPolicy:BucketPolicy";
const CLOSED = ["blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"];

/** Pictures, states and logs are nobody else's. */
export const bucketGuarded = awsRule(
  "bucket-guarded",
  "No bucket can be opened to the public, and none answers without TLS.",
  [ACCESS, POLICY],
  ({ type, props }) => {
    if (type === POLICY)
      return deniesPlainText(props.policy) ? [] : ["expected a policy that denies requests without TLS."];
    const open = CLOSED.filter((name) => props[name] !== true);
    return open.length > 0 ? [`expected ${open.join(", ")} to be true.`] : [];
  },
);
