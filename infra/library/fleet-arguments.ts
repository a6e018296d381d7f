// Written by `npm run docs`, from the keys and from what Pulumi.yaml says of them.
import type { Argument, List, Variables } from "./argument.ts";

/** What `AwsImageGenFleet` is given besides. */
export interface FleetArguments {
  /**
   * Spot hosts that are kept while there are no jobs. 0: none, and the first job waits for a host.
   * @default 0
   * @example 1
   */
  readonly minHosts?: Argument<number>;
  /**
   * Most spot hosts at a time.
   * @default 4
   */
  readonly maxHosts?: Argument<number>;
  /**
   * Most on-demand hosts, which start only when a job has waited for `patienceSeconds`. 0: never.
   * @default 1
   */
  readonly rescueHosts?: Argument<number>;
  /**
   * How long a job may wait. Spot hosts are added from half of it on, on-demand hosts from all of it on.
   * @default 600
   */
  readonly patienceSeconds?: Argument<number>;
  /**
   * Minutes without a job after which all hosts above `minHosts` are terminated.
   * @default 15
   */
  readonly idleMinutes?: Argument<number>;
  /**
   * Seconds that a job takes, by which a number of jobs becomes a time. The default is an assumption: set what your pictures take.
   * @default 10
   */
  readonly secondsPerPicture?: Argument<number>;
  /**
   * Days after which jobs, their inputs and their results are deleted.
   * @default 7
   */
  readonly resultDays?: Argument<number>;
  /**
   * What happens to the queues and the bucket with jobs and results when the stack is destroyed: `retain` or `delete`.
   * @default retain
   */
  readonly resultsOnDestroy?: Argument<"retain" | "delete">;
  /**
   * Tasks of the gateway on Fargate, which gives the fleet an address with the API of one host, behind a load balancer. Needs `certificateArn`, `allowedCidrs` and `apiKeySecretArn`. 0: none, and programs send jobs through SQS and S3 themselves.
   * @default 0
   * @example 2
   */
  readonly gatewayCount?: Argument<number>;
  /**
   * Existing subnets of one VPC, in several zones, with outbound access or endpoints. Empty: a small VPC is created.
   * @default none
   * @example subnet-0123456789abcdef0,subnet-0123456789abcdef1
   */
  readonly subnetIds?: Argument<List>;
  /**
   * GPU instance types that are tried in this order; separated by commas, or a JSON array.
   * @default g6.xlarge,g5.xlarge,g4dn.xlarge
   * @example g6.xlarge,g5.xlarge
   */
  readonly instanceTypes?: Argument<List>;
  /**
   * A pinned machine image. Empty: the newest at the first deployment, which then stays.
   * @default none
   * @example ami-0123456789abcdef0
   */
  readonly amiId?: Argument<string>;
  /**
   * Size of the root disk in GiB. 0: computed from the image.
   * @default 0
   * @example 60
   */
  readonly rootSizeGb?: Argument<number>;
  /**
   * `public`: a public address for outbound connections. `nat`: behind a NAT gateway. `endpoints-only`: reaches only AWS's own services.
   * @default public
   */
  readonly network?: Argument<"public" | "nat" | "endpoints-only">;
  /**
   * Secret in Secrets Manager with the Hugging Face token for downloads. Only the host reads it.
   * @default none
   * @example arn:aws:secretsmanager:us-east-1:123456789012:secret:name-AbCdEf
   */
  readonly hfTokenSecretArn?: Argument<string>;
  /**
   * Other variables whose values are secrets in Secrets Manager: `NAME=ARN,NAME=ARN`, or JSON. Only the host reads them.
   * @default none
   * @example HTTPS_PROXY=arn:aws:secretsmanager:us-east-1:123456789012:secret:name-AbCdEf
   */
  readonly environmentSecretArns?: Argument<Variables>;
  /**
   * What happens to the image repository when the stack is destroyed: `retain` or `delete`.
   * @default retain
   */
  readonly imagesOnDestroy?: Argument<"retain" | "delete">;
  /**
   * Customer key for disks and repository. Empty: AWS's own.
   * @default none
   * @example arn:aws:kms:us-east-1:123456789012:key/…
   */
  readonly kmsKeyArn?: Argument<string>;
  /**
   * Customer keys that secrets, the mirror's bucket or an existing volume are encrypted with, with commas between them: the host may decrypt with them. `kmsKeyArn` is one of them.
   * @default none
   * @example arn:aws:kms:us-east-1:123456789012:key/…
   */
  readonly decryptKmsKeyArns?: Argument<List>;
  /**
   * Permissions boundary of the stack's roles: the output `permissionsBoundaryArn` of the stack `ci`, without which a deployment from CI may make no role.
   * @default none
   * @example arn:aws:iam::123456789012:policy/imagegen-ci-boundary
   */
  readonly permissionsBoundaryArn?: Argument<string>;
  /**
   * SNS topic for alarms. For failed snapshots, its policy must allow `events.amazonaws.com` to publish.
   * @default none
   * @example arn:aws:sns:us-east-1:123456789012:alarms
   */
  readonly alarmTopicArn?: Argument<string>;
  /**
   * Makes a budget of so many USD a month, which is reported to `alarmTopicArn` at 80 and 100 %, and when the month's forecast is above it. 0: none. The topic's policy must allow `budgets.amazonaws.com` to publish, and the tag `imagegen:stack` must be active for cost allocation.
   * @default 0
   * @example 300
   */
  readonly monthlyBudgetUsd?: Argument<number>;
  /**
   * Makes a CloudWatch dashboard with the stack's metrics, alarms and log. 3 USD a month, after the three of an account that are free.
   * @default false
   */
  readonly dashboard?: Argument<boolean>;
  /**
   * Days that the host's logs are kept.
   * @default 30
   */
  readonly logRetentionDays?: Argument<number>;
  /**
   * Name of the buildx builder. Empty: the one that docker-build chooses.
   * @default none
   * @example default
   */
  readonly builder?: Argument<string>;
  /**
   * Platform of the image.
   * @default linux/amd64
   */
  readonly imagePlatform?: Argument<"linux/amd64">;
  /**
   * Placeholders for the registry's password and OIDC's client secret, for a preview by code that may read neither; `scripts/ci/preview.sh` sets it. An update is refused.
   * @default false
   */
  readonly previewWithoutSecrets?: Argument<boolean>;
  /**
   * Two subnets in two zones of an existing VPC, one of them the host's, for the load balancer; in a fleet, zones of `subnetIds`.
   * @default none
   * @example subnet-0123456789abcdef0,subnet-0123456789abcdef1
   */
  readonly albSubnetIds?: Argument<List>;
  /**
   * The load balancer's certificate in ACM.
   * @default none
   * @example arn:aws:acm:us-east-1:123456789012:certificate/…
   */
  readonly certificateArn?: Argument<string>;
  /**
   * IPv4 ranges that may reach the load balancer.
   * @default none
   * @example 203.0.113.0/24
   */
  readonly allowedCidrs?: Argument<List>;
  /**
   * Permits ranges wider than /8 in `allowedCidrs`.
   * @default false
   */
  readonly allowPublic?: Argument<boolean>;
  /**
   * Whether AWS refuses to delete the load balancer. Set it to false, run `imagegen up`, and then `imagegen down`, to remove the stack.
   * @default false
   */
  readonly deletionProtection?: Argument<boolean>;
  /**
   * Secret in Secrets Manager with the API key of the service. Only the host reads it; in a fleet, ECS for the gateway.
   * @default none
   * @example arn:aws:secretsmanager:us-east-1:123456789012:secret:name-AbCdEf
   */
  readonly apiKeySecretArn?: Argument<string>;
}
