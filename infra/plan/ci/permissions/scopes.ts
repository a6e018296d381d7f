import { PROJECT, STACK_TAG } from "../../../contract.ts";
import { CANARY_STATE_FOLDER } from "../plan.ts";

/** Where the roles are, once account and ARNs are known. */
export interface CiPlace {
  readonly partition: string;
  readonly region: string;
  readonly account: string;
  /** Of the bucket with the state, without `/*`. */
  readonly bucketArn: string;
  /** Of the key of the state's secrets. */
  readonly keyArn: string;
}

export interface ScopedResources {
  readonly Resource: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

/** Actions by what they may be used on. */
export type Grants = Readonly<Partial<Record<ScopeName, readonly string[]>>>;

export type ScopeName = keyof typeof SCOPES;

/** What the scopes need to know besides the place. */
export interface ScopeUse {
  /** Of EC2's resources, those that a policy is about. */
  readonly kinds: readonly string[];
  /** Volumes that a deployment may adopt. */
  readonly volumeIds: readonly string[];
  /** The boundary that each role of a stack has. */
  readonly boundaryArn: string;
  /** `s3://<bucket>/<prefix>` of the mirror that CI fills; null: none. */
  readonly mirrorUri: string | null;
}

/** What a launch makes or is put into besides the host: subnets and groups may be the account's. Volumes are new ones: a launch takes no existing one. */
const LAUNCHED_WITH = ["network-interface", "security-group", "spot-instances-request", "subnet", "volume"];

/** AWS's services that are given a role of the stack: the host, its snapshots, the gateway's tasks, the network's log. */
const ROLE_TAKERS = [
  "dlm.amazonaws.com",
  "ec2.amazonaws.com",
  "ecs-tasks.amazonaws.com",
  "vpc-flow-logs.amazonaws.com",
];

/** Services whose own role an account has only once it has used them. */
const SERVICE_ROLES = [
  "autoscaling.amazonaws.com",
  "ecs.amazonaws.com",
  "elasticloadbalancing.amazonaws.com",
  "events.amazonaws.com",
  "spot.amazonaws.com",
];

const BUCKETS = ["image-gen-alb-logs-*", "image-gen-results-*"];

const ec2 = ({ partition, region, account }: CiPlace, kinds: readonly string[]) =>
  // A snapshot has no account in its ARN.
  kinds.map((kind) => `arn:${partition}:ec2:${region}:${kind === "snapshot" ? "" : account}:${kind}/*`);

const named =
  (service: string, ...names: readonly string[]) =>
  ({ partition, region, account }: CiPlace): ScopedResources => ({
    Resource: names.map((name) => `arn:${partition}:${service}:${region}:${account}:${name}`),
  });

const adopted = ({ partition, region, account }: CiPlace, volumeIds: readonly string[]) =>
  volumeIds.map((id) => `arn:${partition}:ec2:${region}:${account}:volume/${id}`);

const placeInS3 = (uri: string) => uri.slice("s3://".length);

const ofProject = (kind: "RequestTag" | "ResourceTag") => ({ [`aws:${kind}/imagegen:project`]: PROJECT });

/**
 * What actions may be used on. A stack's resources have names that begin with `image-gen` or `imagegen`, and EC2's, which have
 * ids, its tags.
 */
export const SCOPES = {
  /** For what AWS names no resource for. */
  anyResource: (_: CiPlace): ScopedResources => ({ Resource: "*" }),
  ec2New: (place: CiPlace, { kinds }: ScopeUse): ScopedResources => ({
    // Not snapshots: of them, a new volume or host is made from one that is there.
    Resource: ec2(
      place,
      kinds.filter((kind) => kind !== "snapshot"),
    ),
    Condition: { StringEquals: ofProject("RequestTag") },
  }),
  ec2NewSnapshot: (place: CiPlace): ScopedResources => ({
    Resource: ec2(place, ["snapshot"]),
    Condition: { StringEquals: ofProject("RequestTag") },
  }),
  ec2Own: (place: CiPlace, { kinds }: ScopeUse): ScopedResources => ({
    Resource: ec2(place, kinds),
    Condition: { StringEquals: ofProject("ResourceTag") },
  }),
  /** Only with the call that makes the resource: whoever may tag what is there already owns it. */
  ec2TagsOfNew: (place: CiPlace, { kinds }: ScopeUse): ScopedResources => ({
    Resource: ec2(place, kinds),
    Condition: { StringEquals: ofProject("RequestTag"), Null: { "ec2:CreateAction": "false" } },
  }),
  ec2Launch: (place: CiPlace): ScopedResources => ({
    Resource: [...ec2(place, LAUNCHED_WITH), `arn:${place.partition}:ec2:${place.region}::image/*`],
  }),
  /** A group may be in a VPC of the account. */
  ec2Vpcs: (place: CiPlace): ScopedResources => ({ Resource: ec2(place, ["vpc"]) }),
  /** The provider gives the request of a spot host no tag. */
  ec2SpotRequests: (place: CiPlace): ScopedResources => ({ Resource: ec2(place, ["spot-instances-request"]) }),
  /** A new VPC's default group has no tags until the provider gives it the stack's. */
  ec2DefaultGroup: (place: CiPlace): ScopedResources => ({
    Resource: `arn:${place.partition}:ec2:${place.region}:${place.account}:security-group/*`,
    Condition: {
      StringEquals: ofProject("RequestTag"),
      "ForAllValues:StringEquals": { "aws:TagKeys": ["imagegen:project", STACK_TAG] },
      Null: { "aws:TagKeys": "false" },
    },
  }),
  /** Volumes that were there before (`volumeId`): by their ids, since whoever may tag any volume may take any. */
  ec2AdoptedVolumes: (place: CiPlace, { volumeIds }: ScopeUse): ScopedResources => ({
    Resource: adopted(place, volumeIds),
  }),
  /** `ForAllValues` is true of a call without keys, too, which takes away every tag. */
  ec2TagOfVolumes: (place: CiPlace, { volumeIds }: ScopeUse): ScopedResources => ({
    Resource: adopted(place, volumeIds),
    Condition: {
      "ForAllValues:StringEquals": { "aws:TagKeys": ["imagegen:volume"] },
      Null: { "aws:TagKeys": "false" },
    },
  }),
  groups: named("autoscaling", "autoScalingGroup:*:autoScalingGroupName/image-gen-*"),
  queues: named("sqs", "image-gen-*"),
  clusters: named("ecs", "cluster/image-gen-*"),
  services: named("ecs", "service/image-gen-*", "service-deployment/image-gen-*"),
  /** Of any version. */
  taskDefinitions: named("ecs", "task-definition/imagegen-*:*"),
  balancers: named(
    "elasticloadbalancing",
    "loadbalancer/app/image-gen-*",
    "listener/app/image-gen-*",
    "targetgroup/image-gen-*",
  ),
  alarms: named("cloudwatch", "alarm:image-gen-*"),
  dashboards: ({ partition, account }: CiPlace): ScopedResources => ({
    Resource: `arn:${partition}:cloudwatch::${account}:dashboard/imagegen-*`,
  }),
  budgets: ({ partition, account }: CiPlace): ScopedResources => ({
    Resource: `arn:${partition}:budgets::${account}:budget/imagegen-*`,
  }),
  logGroups: named("logs", "log-group:/imagegen/*"),
  rules: named("events", "rule/image-gen-*"),
  /** For what has no ARN before it is made. */
  newSnapshotPolicies: (_: CiPlace): ScopedResources => ({
    Resource: "*",
    Condition: { StringEquals: ofProject("RequestTag") },
  }),
  tagsOfSnapshotPolicies: ({ partition, region, account }: CiPlace): ScopedResources => ({
    Resource: `arn:${partition}:dlm:${region}:${account}:policy/*`,
    Condition: { StringEquals: ofProject("RequestTag") },
  }),
  snapshotPolicies: ({ partition, region, account }: CiPlace): ScopedResources => ({
    Resource: `arn:${partition}:dlm:${region}:${account}:policy/*`,
    Condition: { StringEquals: ofProject("ResourceTag") },
  }),
  parameters: named("ssm", "parameter/imagegen/*"),
  /** Amazon's own, of machine images: their ARNs have no account. */
  publicParameters: ({ partition, region }: CiPlace): ScopedResources => ({
    Resource: `arn:${partition}:ssm:${region}:*:parameter/aws/service/*`,
  }),
  repositories: named("ecr", "repository/image-gen-*"),
  /** A role, or a policy of one, that the boundary limits: else a deployment could make itself an administrator. */
  boundedRoles: ({ partition, account }: CiPlace, { boundaryArn }: ScopeUse): ScopedResources => ({
    Resource: `arn:${partition}:iam::${account}:role/image-gen-*`,
    Condition: { StringEquals: { "iam:PermissionsBoundary": boundaryArn } },
  }),
  roles: ({ partition, account }: CiPlace): ScopedResources => ({
    Resource: [
      `arn:${partition}:iam::${account}:role/image-gen-*`,
      `arn:${partition}:iam::${account}:instance-profile/image-gen-*`,
    ],
  }),
  /** Handed to the service that it is for, and to no other. */
  passedRoles: ({ partition, account }: CiPlace): ScopedResources => ({
    Resource: `arn:${partition}:iam::${account}:role/image-gen-*`,
    Condition: { StringEquals: { "iam:PassedToService": ROLE_TAKERS } },
  }),
  serviceRoles: ({ partition, account }: CiPlace): ScopedResources => ({
    Resource: `arn:${partition}:iam::${account}:role/aws-service-role/*`,
    Condition: { StringEquals: { "iam:AWSServiceName": SERVICE_ROLES } },
  }),
  /** Of the load balancer's log, and of the jobs and results of a fleet. */
  buckets: ({ partition }: CiPlace): ScopedResources => ({
    Resource: BUCKETS.map((name) => `arn:${partition}:s3:::${name}`),
  }),
  bucketObjects: ({ partition }: CiPlace): ScopedResources => ({
    Resource: BUCKETS.map((name) => `arn:${partition}:s3:::${name}/*`),
  }),
  /** Of the stacks that are deployed. That of the stack `ci` is in a folder of its own. */
  state: ({ bucketArn }: CiPlace): ScopedResources => ({ Resource: `${bucketArn}/.pulumi/*` }),
  canaryState: ({ bucketArn }: CiPlace): ScopedResources => ({
    Resource: `${bucketArn}/${CANARY_STATE_FOLDER}/.pulumi/*`,
  }),
  /** A host whose port `imagegen picture` forwards; the document has no tag, and so is apart. */
  tunnelHosts: (place: CiPlace): ScopedResources => ({
    Resource: ec2(place, ["instance"]),
    Condition: { StringEquals: ofProject("ResourceTag") },
  }),
  tunnelDocument: ({ partition, region }: CiPlace): ScopedResources => ({
    Resource: `arn:${partition}:ssm:${region}::document/AWS-StartPortForwardingSession`,
  }),
  mirrorBucket: ({ partition }: CiPlace, { mirrorUri }: ScopeUse): ScopedResources => ({
    Resource: mirrorUri === null ? [] : [`arn:${partition}:s3:::${placeInS3(mirrorUri).split("/")[0]}`],
  }),
  mirror: ({ partition }: CiPlace, { mirrorUri }: ScopeUse): ScopedResources => ({
    Resource: mirrorUri === null ? [] : [`arn:${partition}:s3:::${placeInS3(mirrorUri)}/*`],
  }),
  previews: ({ bucketArn }: CiPlace): ScopedResources => ({ Resource: `${bucketArn}/previews/*` }),
  stateBucket: ({ bucketArn }: CiPlace): ScopedResources => ({ Resource: bucketArn }),
  stateKey: ({ keyArn }: CiPlace): ScopedResources => ({ Resource: keyArn }),
} as const;
