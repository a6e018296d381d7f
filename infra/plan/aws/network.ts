import type { AwsSettings } from "../../config/aws/settings.ts";
import { parameterPrefix } from "../../contract.ts";
import { awsPartition, parseS3Uri } from "./arn.ts";
import { secretArns } from "./deployment.ts";

/** The network that the host is in: one that is there, or a small one of the stack's own. */
export type AwsNetworkPlan = ExistingNetworkPlan | OwnNetworkPlan;

export interface ExistingNetworkPlan {
  readonly kind: "existing";
  readonly subnetId: string;
  readonly albSubnetIds: readonly string[];
  readonly egress: Egress;
}

export interface OwnNetworkPlan {
  readonly kind: "own";
  readonly egress: Egress;
  readonly vpcCidr: string;
  /** The host's subnet. Another generation of the volume has another, since it may be in another zone. */
  readonly hostCidr: string;
  readonly generation: number;
  /** Where a NAT gateway is; null without one. */
  readonly natCidr: string | null;
  /** A load balancer asks for two zones, of which one must be the host's; empty without one. */
  readonly albCidrs: readonly string[];
  /** Services that the host reaches without leaving the VPC, in AWS's short names. */
  readonly interfaceEndpoints: readonly string[];
  /** Buckets of S3 that may be read through the gateway endpoint. */
  readonly s3Resources: readonly string[];
  /** Where the VPC's connections are recorded, and for how many days. */
  readonly flowLogGroup: string;
  readonly logRetentionDays: number;
  /** Of the flow logs' role; null: none. */
  readonly permissionsBoundaryArn: string | null;
}

/** Another generation of the volume may be in another zone: what is bound to a zone is made beside the old. */
export const generationSuffix = (generation: number): string => (generation === 1 ? "" : `-${generation}`);

/** The name of the host's subnet in a network of the stack's own, after the program's prefix. */
export const hostSubnetName = (prefix: string, generation: number): string =>
  `${prefix}-subnet${generationSuffix(generation)}`;

type Egress = "public" | "nat" | "endpoints-only";

const VPC = "10.96";

export function planNetwork(settings: AwsSettings, stack: string): AwsNetworkPlan {
  const { subnetId, network, access, albSubnetIds, volumeGeneration } = settings;
  if (subnetId !== null) return { kind: "existing", subnetId, albSubnetIds, egress: network };
  const closed = network === "endpoints-only";
  return {
    kind: "own",
    egress: network,
    vpcCidr: `${VPC}.0.0/16`,
    hostCidr: `${VPC}.${volumeGeneration}.0/25`,
    generation: volumeGeneration,
    natCidr: network === "nat" ? `${VPC}.200.0/24` : null,
    albCidrs: access === "alb" ? [`${VPC}.${volumeGeneration}.128/26`, `${VPC}.${volumeGeneration}.192/26`] : [],
    interfaceEndpoints: closed ? requiredEndpoints(settings) : [],
    s3Resources: closed ? readableBuckets(settings) : [],
    flowLogGroup: `${parameterPrefix(stack)}/network`,
    logRetentionDays: settings.logRetentionDays,
    permissionsBoundaryArn: settings.permissionsBoundaryArn,
  };
}

/** Everything that the host's scripts and Amazon's agent on it talk to. EBS itself needs none. */
function requiredEndpoints(settings: AwsSettings): string[] {
  const secrets = secretArns(settings).length > 0;
  return [
    "ecr.api",
    "ecr.dkr",
    "ssm",
    "ssmmessages",
    "logs",
    "monitoring",
    ...(secrets ? ["secretsmanager"] : []),
    ...(settings.modelMirror === null ? [] : ["sts"]),
    ...(settings.selfHealing ? ["ec2"] : []),
  ];
}

/** ECR keeps image layers in a bucket of its own in each region. */
function readableBuckets({ region, modelMirror }: AwsSettings): string[] {
  const s3 = `arn:${awsPartition(region)}:s3:::`;
  const layers = `${s3}prod-${region}-starport-layer-bucket/*`;
  if (modelMirror === null) return [layers];
  const { bucket, prefix } = parseS3Uri(modelMirror);
  return [layers, `${s3}${bucket}`, `${s3}${bucket}/${prefix}*`];
}
