import type { FleetSettings } from "../../config/fleet/settings.ts";
import { VISIBILITY_SECONDS } from "../../contract.ts";

/** The queue that jobs come from, the one for those that can't be made, and the bucket with jobs and results. */
export interface JobsPlan {
  /** Seconds. */
  readonly visibilityTimeout: number;
  /** Seconds that a worker's question waits for a job. */
  readonly receiveWait: number;
  readonly retentionSeconds: number;
  readonly deadLetterRetentionSeconds: number;
  /** Deliveries after which SQS itself moves a message to the dead letters. */
  readonly mostReceives: number;
  /** Folder of the bucket that all objects are in. */
  readonly prefix: string;
  /** Days after which an object expires. */
  readonly resultDays: number;
  /** Whether queues and bucket outlive the stack. */
  readonly retain: boolean;
  /** Customer key of the bucket; null: Amazon's own. */
  readonly kmsKeyArn: string | null;
}

const DAY = 86_400;
/** SQS's longest. */
const MOST_RETENTION_DAYS = 14;
/** SQS's longest. */
const LONG_POLL_SECONDS = 20;
/**
 * A job that ended three workers fails by the marks of its attempts, with a reason. Jobs that hosts hand back are none of these, so SQS's own
 * count is far behind: fifty notices of spot hosts in a row for one job are not to be expected.
 */
const MOST_RECEIVES = 50;

export function planJobs({ resultDays, resultsOnDestroy, kmsKeyArn }: FleetSettings): JobsPlan {
  return {
    visibilityTimeout: VISIBILITY_SECONDS,
    receiveWait: LONG_POLL_SECONDS,
    // No message outlives the inputs that it names.
    retentionSeconds: Math.min(resultDays, MOST_RETENTION_DAYS) * DAY,
    deadLetterRetentionSeconds: MOST_RETENTION_DAYS * DAY,
    mostReceives: MOST_RECEIVES,
    prefix: "fleet",
    resultDays,
    retain: resultsOnDestroy === "retain",
    kmsKeyArn,
  };
}
