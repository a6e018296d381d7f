import { AWS_KEYS } from "../aws/keys.ts";
import { ec2Id } from "../aws/parsers.ts";
import { number, text } from "../key.ts";
import { integer, listOf, oneOf } from "../parsers.ts";

/** SQS keeps a message for fourteen days at most; results may be kept longer. */
const MOST_RESULT_DAYS = 365;
/** Of a service, without a request to AWS for a higher quota of Fargate. */
const MOST_TASKS = 50;

/** Keys of the target `aws` that a gateway has of one host behind a load balancer. */
const BALANCER_KEYS = [
  "albSubnetIds",
  "certificateArn",
  "allowedCidrs",
  "allowPublic",
  "deletionProtection",
  "apiKeySecretArn",
] as const;

/** Keys of the target `fleet`. `aws:region` is Pulumi's own. */
export const FLEET_KEYS = {
  /** Spot hosts that are kept while there are no jobs. */
  minHosts: number(0, integer(0, 500), 1),
  /** Most spot hosts at a time. */
  maxHosts: number(4, integer(1, 500)),
  /** Most on-demand hosts, which start when a job has waited for `patienceSeconds`; 0: there is no such group. */
  rescueHosts: number(1, integer(0, 500)),
  /** How long a job may wait. SQS hides a message for twelve hours at most. */
  patienceSeconds: number(600, integer(60, 43_200)),
  /** Minutes without a job after which the hosts above `minHosts` are terminated. */
  idleMinutes: number(15, integer(3, 1440)),
  /** What a picture takes; it turns a number of jobs into a time. */
  secondsPerPicture: number(10, integer(1, 3600)),
  /** Days that jobs, inputs and results are kept. */
  resultDays: number(7, integer(1, MOST_RESULT_DAYS)),
  /** What happens to the queues and to the bucket with jobs and results when the stack is destroyed. */
  resultsOnDestroy: text("retain", oneOf("retain", "delete")),
  /** Tasks of the gateway, which has the API of one host for the fleet; 0: there is none. */
  gatewayCount: number(0, integer(0, MOST_TASKS), 2),
  /** Subnets of an existing VPC, of several zones. */
  subnetIds: text("", listOf(ec2Id("subnet")), "subnet-0123456789abcdef0,subnet-0123456789abcdef1"),
  ...awsKeys(
    "instanceTypes",
    "amiId",
    "rootSizeGb",
    "network",
    "hfTokenSecretArn",
    "environmentSecretArns",
    "imagesOnDestroy",
    "kmsKeyArn",
    "decryptKmsKeyArns",
    "permissionsBoundaryArn",
    "alarmTopicArn",
    "monthlyBudgetUsd",
    "dashboard",
    "logRetentionDays",
    "builder",
    "imagePlatform",
    "previewWithoutSecrets",
    ...BALANCER_KEYS,
  ),
};

/** Keys of the gateway and its load balancer, which no host has. */
export const GATEWAY_KEYS = [...BALANCER_KEYS, "allowedHosts", "corsOrigins", "pictureUrlSeconds"] as const;

/** Keys of every service that a fleet does not read: those of a queue in the service, and of files of this machine. */
export const NOT_OF_FLEETS = [
  "port",
  "readyTimeoutSeconds",
  "apiKey",
  "apiKeysFile",
  "queueLimit",
  "jobs",
  "jobsKeepSeconds",
  "jobsLimit",
  "jobsMaxMb",
  "usdPerHour",
  "caFile",
] as const;

function awsKeys<Name extends keyof typeof AWS_KEYS>(...names: readonly Name[]): Pick<typeof AWS_KEYS, Name> {
  return Object.fromEntries(names.map((name) => [name, AWS_KEYS[name]])) as Pick<typeof AWS_KEYS, Name>;
}
