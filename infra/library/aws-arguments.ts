// Written by `npm run docs`, from the keys and from what Pulumi.yaml says of them.
import type { Argument, List, Variables } from "./argument.ts";

/** What `AwsImageGen` is given besides. */
export interface AwsArguments {
  /**
   * GPU instance types that are tried in this order; separated by commas, or a JSON array.
   * @default g6.xlarge,g5.xlarge,g4dn.xlarge
   * @example g6.xlarge,g5.xlarge
   */
  readonly instanceTypes?: Argument<List>;
  /**
   * `on-demand`, `spot`, or `spot-then-on-demand`.
   * @default on-demand
   */
  readonly purchaseOption?: Argument<"on-demand" | "spot" | "spot-then-on-demand">;
  /**
   * The type that `imagegen up` got and wrote down after a fallback. Empty is the first of instanceTypes that the zone offers.
   * @default none
   * @example g6.xlarge
   */
  readonly pinnedInstanceType?: Argument<string>;
  /**
   * The purchase option that `imagegen up` got and wrote down after a fallback. Empty is the first choice.
   * @default none
   * @example on-demand
   */
  readonly pinnedPurchaseOption?: Argument<"spot" | "on-demand">;
  /**
   * How a host is replaced. `create-first` needs quota and capacity for two; `delete-first` for one, and leaves no host if there is no capacity.
   * @default create-first
   */
  readonly replacement?: Argument<"create-first" | "delete-first">;
  /**
   * An Auto Scaling group of one replaces a lost host.
   * @default false
   */
  readonly selfHealing?: Argument<boolean>;
  /**
   * The zone of a new volume. Empty: the subnet's, or one that offers `instanceTypes`. `imagegen move-az` moves an existing one.
   * @default none
   * @example us-east-1a
   */
  readonly availabilityZone?: Argument<string>;
  /**
   * A pinned machine image. Empty: the newest at the first deployment, which then stays.
   * @default none
   * @example ami-0123456789abcdef0
   */
  readonly amiId?: Argument<string>;
  /**
   * The kind of machine image.
   * @default ecs-gpu-al2023
   */
  readonly ami?: Argument<"ecs-gpu-al2023" | "dlami-ubuntu-24.04">;
  /**
   * Size of the root disk in GiB. 0: computed from the image.
   * @default 0
   * @example 60
   */
  readonly rootSizeGb?: Argument<number>;
  /**
   * Minutes without a picture after which the host stops itself. 0: never.
   * @default 0
   * @example 60
   */
  readonly idleStopMinutes?: Argument<number>;
  /**
   * `public`: a public address for outbound connections. `nat`: behind a NAT gateway. `endpoints-only`: reaches only AWS's own services.
   * @default public
   */
  readonly network?: Argument<"public" | "nat" | "endpoints-only">;
  /**
   * The VPC of `subnetId`, which is required with it. Only documents the file.
   * @default none
   * @example vpc-0123456789abcdef0
   */
  readonly vpcId?: Argument<string>;
  /**
   * An existing subnet for the host, with outbound access or endpoints. Empty: a small VPC is created.
   * @default none
   * @example subnet-0123456789abcdef0
   */
  readonly subnetId?: Argument<string>;
  /**
   * Two subnets in two zones of an existing VPC, one of them the host's, for the load balancer; in a fleet, zones of `subnetIds`.
   * @default none
   * @example subnet-0123456789abcdef0,subnet-0123456789abcdef1
   */
  readonly albSubnetIds?: Argument<List>;
  /**
   * `ssm`: a tunnel through Session Manager, nothing listens. `alb`: a load balancer with TLS.
   * @default ssm
   */
  readonly access?: Argument<"ssm" | "alb">;
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
   * `oidc`: the load balancer signs users in. `api-key`: the service checks a key. Empty: the key, if there is one.
   * @default none
   * @example api-key
   */
  readonly authentication?: Argument<"api-key" | "oidc">;
  /**
   * Issuer for sign-in.
   * @default none
   * @example https://id.example
   */
  readonly oidcIssuer?: Argument<string>;
  /**
   * Authorization endpoint for sign-in.
   * @default none
   * @example https://id.example/oauth2
   */
  readonly oidcAuthorizationEndpoint?: Argument<string>;
  /**
   * Token endpoint for sign-in.
   * @default none
   * @example https://id.example/oauth2
   */
  readonly oidcTokenEndpoint?: Argument<string>;
  /**
   * User info endpoint for sign-in.
   * @default none
   * @example https://id.example/oauth2
   */
  readonly oidcUserInfoEndpoint?: Argument<string>;
  /**
   * Client id for sign-in.
   * @default none
   * @example image-gen
   */
  readonly oidcClientId?: Argument<string>;
  /**
   * Secret in Secrets Manager with the client's secret. Pulumi reads it, so it is in the state, as a secret.
   * @default none
   * @example arn:aws:secretsmanager:us-east-1:123456789012:secret:name-AbCdEf
   */
  readonly oidcClientSecretArn?: Argument<string>;
  /**
   * Secret in Secrets Manager with the API key of the service. Only the host reads it; in a fleet, ECS for the gateway.
   * @default none
   * @example arn:aws:secretsmanager:us-east-1:123456789012:secret:name-AbCdEf
   */
  readonly apiKeySecretArn?: Argument<string>;
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
   * Size of the data volume in GiB. It grows in place and never shrinks. 0: computed from the model.
   * @default 0
   * @example 100
   */
  readonly volumeSizeGb?: Argument<number>;
  /**
   * IOPS of the data volume, at most 500 per GiB.
   * @default 3000
   */
  readonly volumeIops?: Argument<number>;
  /**
   * Throughput of the data volume in MiB/s, at most a quarter of the IOPS. 0: what the instance type sustains, and at least the 125 that are free.
   * @default 0
   * @example 300
   */
  readonly volumeThroughputMb?: Argument<number>;
  /**
   * Snapshot that a new data volume is created from.
   * @default none
   * @example snap-0123456789abcdef0
   */
  readonly volumeSnapshotId?: Argument<string>;
  /**
   * MiB/s at which a volume from a snapshot is filled, which AWS bills per GiB. 0: when it is read.
   * @default 0
   * @example 200
   */
  readonly volumeInitializationRate?: Argument<number>;
  /**
   * An existing volume, used as it is. The stack never changes or deletes it.
   * @default none
   * @example vol-0123456789abcdef0
   */
  readonly volumeId?: Argument<string>;
  /**
   * Raised by `imagegen move-az`. Each generation is a separate volume; earlier ones stay.
   * @default 1
   */
  readonly volumeGeneration?: Argument<number>;
  /**
   * Keeps a copy of the model on the host's own NVMe disk, which starts load where it is complete; the volume stays the model's place.
   * @default false
   */
  readonly instanceStoreCache?: Argument<boolean>;
  /**
   * What happens to the volume when the stack is destroyed: `retain` or `delete`; on AWS also `snapshot`.
   * @default retain
   */
  readonly onDestroy?: Argument<"retain" | "snapshot" | "delete">;
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
   * `daily`: a snapshot of the data volume each night, at 03:00 UTC.
   * @default off
   * @example daily
   */
  readonly snapshots?: Argument<"off" | "daily">;
  /**
   * How many nightly snapshots are kept.
   * @default 3
   */
  readonly snapshotRetentionDays?: Argument<number>;
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
}
