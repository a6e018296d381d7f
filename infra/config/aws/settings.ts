import type { PurchaseOption } from "../../contract.ts";
import type { CommonSettings } from "../settings.ts";

/** What AWS is asked. Null stands for "not set": the plan, or AWS at the first deploy, then decides. */
export interface AwsSettings extends CommonSettings {
  readonly target: "aws";
  /** Pulumi's own `aws:region`. */
  readonly region: string;

  /** GPU types that are good enough, the preferred one first. */
  readonly instanceTypes: readonly string[];
  readonly purchaseOption: PurchaseOption | "spot-then-on-demand";
  /** The type, and the purchase option, that `imagegen up` got after a fallback; null: the first choice. */
  readonly pinnedInstanceType: string | null;
  readonly pinnedPurchaseOption: PurchaseOption | null;
  /** `create-first` launches the new host before the old one stops, and needs the quota for both. */
  readonly replacement: "create-first" | "delete-first";
  /** An Auto Scaling group of one, which replaces a lost host. */
  readonly selfHealing: boolean;
  /** The zone for a volume that is not there yet. */
  readonly availabilityZone: string | null;
  /** A pinned machine image; null: the newest at the first deploy, and then that one. */
  readonly amiId: string | null;
  readonly ami: "ecs-gpu-al2023" | "dlami-ubuntu-24.04";
  /** Size of the root disk in GiB; null: sized by the image. */
  readonly rootSizeGb: number | null;
  /** Minutes without a request until the host stops itself; null: never. */
  readonly idleStopMinutes: number | null;

  readonly network: "public" | "nat" | "endpoints-only";
  readonly vpcId: string | null;
  readonly subnetId: string | null;
  /** Two public subnets of an existing VPC, for the load balancer. */
  readonly albSubnetIds: readonly string[];

  readonly access: "ssm" | "alb";
  readonly certificateArn: string | null;
  readonly allowedCidrs: readonly string[];
  readonly allowPublic: boolean;
  readonly authentication: "api-key" | "oidc" | null;
  readonly oidcIssuer: string | null;
  readonly oidcAuthorizationEndpoint: string | null;
  readonly oidcTokenEndpoint: string | null;
  readonly oidcUserInfoEndpoint: string | null;
  readonly oidcClientId: string | null;
  readonly oidcClientSecretArn: string | null;
  readonly apiKeySecretArn: string | null;
  readonly hfTokenSecretArn: string | null;

  /** GiB; null: sized by the model. */
  readonly volumeSizeGb: number | null;
  readonly volumeIops: number;
  /** MiB/s. */
  readonly volumeThroughputMb: number;
  readonly volumeSnapshotId: string | null;
  /** MiB/s at which a volume from a snapshot is filled; null: lazily. */
  readonly volumeInitializationRate: number | null;
  /** An existing volume to use as it is. */
  readonly volumeId: string | null;
  /** Raised by a move to another zone: each generation is a volume of its own. */
  readonly volumeGeneration: number;
  readonly onDestroy: "retain" | "snapshot" | "delete";
  /** Customer key of volumes; null: the account's own for EBS. */
  readonly kmsKeyArn: string | null;
  readonly snapshots: "off" | "daily";
  readonly snapshotRetentionDays: number;

  /** `s3://bucket/prefix` of models, asked before the hub. */
  readonly modelMirror: string | null;
  readonly alarmTopicArn: string | null;
  readonly logRetentionDays: number;
  /** Name of a buildx builder; null: the build's default. */
  readonly builder: string | null;
  readonly imagePlatform: "linux/amd64";
}
