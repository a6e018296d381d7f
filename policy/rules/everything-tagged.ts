import type { ResourceValidationPolicy } from "@pulumi/policy";
import { stackTags } from "../../infra/contract.ts";

/** What says whose a resource is, and what its costs are counted under. */
export const TAGS = Object.keys(stackTags(""));

/** Resources of AWS that can't have tags. A type that is not here must have them. */
export const WITHOUT_TAGS: readonly string[] = [
  "aws:autoscaling/attachment:Attachment",
  "aws:autoscaling/lifecycleHook:LifecycleHook",
  "aws:autoscaling/policy:Policy",
  "aws:cloudwatch/dashboard:Dashboard",
  "aws:cloudwatch/eventTarget:EventTarget",
  "aws:ec2/mainRouteTableAssociation:MainRouteTableAssociation",
  "aws:ec2/networkInterfaceAttachment:NetworkInterfaceAttachment",
  "aws:ec2/route:Route",
  "aws:ec2/routeTableAssociation:RouteTableAssociation",
  "aws:ec2/securityGroupRule:SecurityGroupRule",
  "aws:ec2/tag:Tag",
  "aws:ec2/volumeAttachment:VolumeAttachment",
  "aws:ec2/vpcEndpointRouteTableAssociation:VpcEndpointRouteTableAssociation",
  "aws:ecr/lifecyclePolicy:LifecyclePolicy",
  "aws:ecr/repositoryPolicy:RepositoryPolicy",
  "aws:iam/rolePolicy:RolePolicy",
  "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
  "aws:kms/alias:Alias",
  "aws:kms/grant:Grant",
  "aws:kms/keyPolicy:KeyPolicy",
  "aws:lb/listenerCertificate:ListenerCertificate",
  "aws:lb/targetGroupAttachment:TargetGroupAttachment",
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
  "aws:s3/bucketPolicy:BucketPolicy",
  "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
  "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
  "aws:s3/bucketVersioning:BucketVersioning",
  "aws:secretsmanager/secretVersion:SecretVersion",
  "aws:sns/topicPolicy:TopicPolicy",
  "aws:sqs/queuePolicy:QueuePolicy",
  "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy",
  "aws:sns/topicSubscription:TopicSubscription",
];

interface Inputs {
  readonly tags?: Readonly<Record<string, string>> | readonly { readonly key?: string }[];
  readonly tagsAll?: Readonly<Record<string, string>>;
}

/**
 * Tags of the resource's own or of the provider's `defaultTags`, which AWS's provider writes into the inputs before a
 * policy sees them; where it does not, they are looked up in the provider itself. Autoscaling groups are given no default tags.
 */
export const everythingTagged: ResourceValidationPolicy = {
  name: "everything-tagged",
  description: "All that can have tags says which project and stack it belongs to.",
  enforcementLevel: "mandatory",
  validateResource: ({ type, name, props, provider }, reportViolation) => {
    if (!type.startsWith("aws:") || WITHOUT_TAGS.includes(type)) return;
    const { tags, tagsAll } = props as Inputs;
    const own = Array.isArray(tags) ? tags.map(({ key }) => key) : Object.keys(tags ?? {});
    const found = Array.isArray(tags) ? own : [...own, ...Object.keys(tagsAll ?? {}), ...defaults(provider?.props)];
    const missing = TAGS.filter((tag) => !found.includes(tag));
    if (missing.length > 0) reportViolation(`${name}: expected tags ${missing.join(", ")}, got none of that name.`);
  },
};

/** A provider's settings are kept as JSON text. */
function defaults(provider: Record<string, unknown> | undefined): string[] {
  const given = provider?.defaultTags;
  const settings = (typeof given === "string" ? JSON.parse(given) : given) as { tags?: object } | undefined;
  return Object.keys(settings?.tags ?? {});
}
