import { awsRule } from "./aws-rule.ts";
import { deniesPlainText } from "./tls-only.ts";

const QUEUE = "aws:sqs/queue:Queue";
const POLICY = "aws:sqs/queuePolicy:QueuePolicy";

/** A message names a job of somebody's; one that nobody can make must not come back for ever. */
export const queueGuarded = awsRule(
  "queue-guarded",
  "Queues are encrypted and refuse requests without TLS; what a queue gives up has a place to go.",
  [QUEUE, POLICY],
  ({ type, props }) => {
    if (type === POLICY)
      return deniesPlainText(props.policy) ? [] : ["expected a policy that denies requests without TLS."];
    const isEncrypted = props.sqsManagedSseEnabled === true || typeof props.kmsMasterKeyId === "string";
    // A queue that redrives nowhere is the place itself: it keeps what it has for as long as SQS allows.
    const isLast = props.redrivePolicy === undefined && props.messageRetentionSeconds === LONGEST_SECONDS;
    return [
      ...(isEncrypted ? [] : ["expected sqsManagedSseEnabled or kmsMasterKeyId."]),
      ...(props.redrivePolicy !== undefined || isLast
        ? []
        : [`expected a redrivePolicy, or as dead letters a messageRetentionSeconds of ${LONGEST_SECONDS}.`]),
    ];
  },
);

const LONGEST_SECONDS = 14 * 86_400;
