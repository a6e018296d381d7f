import type { AwsSettings } from "../../config/aws/settings.ts";

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
}

type Egress = AwsSettings["network"];

const VPC = "10.96";

export function planNetwork(settings: AwsSettings): AwsNetworkPlan {
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
    interfaceEndpoints: closed ? endpointsOf(settings) : [],
    s3Resources: closed ? bucketsOf(settings) : [],
  };
}

/** Everything that the host's scripts and Amazon's agent on it talk to. EBS itself needs none. */
function endpointsOf(settings: AwsSettings): string[] {
  const secrets = settings.hfTokenSecretArn !== null || settings.apiKeySecretArn !== null;
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
function bucketsOf({ region, modelMirror }: AwsSettings): string[] {
  const partition = partitionOf(region);
  const mirror = modelMirror === null ? null : mirrorOf(modelMirror);
  return [
    `arn:${partition}:s3:::prod-${region}-starport-layer-bucket/*`,
    ...(mirror === null
      ? []
      : [`arn:${partition}:s3:::${mirror.bucket}`, `arn:${partition}:s3:::${mirror.bucket}/${mirror.prefix}*`]),
  ];
}

export function partitionOf(region: string): string {
  if (region.startsWith("cn-")) return "aws-cn";
  return region.startsWith("us-gov-") ? "aws-us-gov" : "aws";
}

/** `s3://bucket/a/b` → bucket and `a/b/`; the prefix of a whole bucket is empty. */
export function mirrorOf(address: string): { readonly bucket: string; readonly prefix: string } {
  const [bucket = "", ...path] = address.slice("s3://".length).split("/");
  return { bucket, prefix: path.length === 0 ? "" : `${path.join("/")}/` };
}
