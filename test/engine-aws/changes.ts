/** Each kind of change, in the order in which the test makes them: what it says, and what AWS is to see of it. */
import { CREATE_FIRST, DELETE_FIRST, HOST_ALARMS } from "./story.ts";

export const KEY = "arn:aws:kms:us-east-1:123456789012:key/1";
const SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:token-AbCdEf";
const API_KEY = "arn:aws:secretsmanager:us-east-1:123456789012:secret:api-key-AbCdEf";
const DEPLOYED = "PutParameter /imagegen/changes/deployment";
const ROLE = "PutRolePolicy image-gen-host";

export interface Change {
  readonly name: string;
  /** Keys of config; `undefined` takes one away. */
  readonly config?: Readonly<Record<string, string | undefined>>;
  /** A file of the program or of the image's sources that gets a line more. */
  readonly file?: string;
  /** That line, where a comment is not what a host would see. */
  readonly line?: string;
  /** What touches hosts and disks, in order. */
  readonly inOrder?: readonly string[];
  /** All else, in the order of the alphabet. */
  readonly besides?: readonly string[];
}

const REPLACED = { inOrder: CREATE_FIRST, besides: HOST_ALARMS };
const MODIFIED = { inOrder: ["ModifyVolume Volume 1"] };

export const CHANGES: readonly Change[] = [
  { name: "instance type", config: { pinnedInstanceType: "g5.xlarge" }, ...REPLACED },
  { name: "AMI pinned to a newer one", config: { amiId: "ami-0ca77a28d8801702b" }, ...REPLACED },
  { name: "setting in the host's files", config: { idleStopMinutes: "60" }, ...REPLACED },
  { name: "script of the host", file: "infra/aws/host/files/bin/data-volume", line: ": changed", ...REPLACED },
  { name: "root disk", config: { rootSizeGb: "90" }, ...REPLACED },
  { name: "volume grown", config: { volumeSizeGb: "100" }, ...MODIFIED },
  { name: "volume's IOPS", config: { volumeIops: "4000" }, ...MODIFIED },
  { name: "volume's throughput", config: { volumeThroughputMb: "500" }, ...MODIFIED },
  {
    name: "new code in the image",
    file: "image-gen/src/image_gen/__init__.py",
    besides: ["PutImage by digest", "PutImage by tag", DEPLOYED],
  },
  { name: "model", config: { modelId: "runwayml/stable-diffusion-v1-5" }, besides: [DEPLOYED] },
  { name: "token of the hub", config: { hfTokenSecretArn: SECRET }, besides: [DEPLOYED, ROLE] },
  {
    name: "log retention",
    config: { logRetentionDays: "90" },
    besides: ["PutRetentionPolicy /imagegen/changes", "PutRetentionPolicy /imagegen/changes/network"],
  },
  {
    name: "alarms' topic",
    config: { alarmTopicArn: "arn:aws:sns:us-east-1:123456789012:alarms" },
    besides: [
      "data-full",
      "ebs-status",
      "gpu-lost",
      "gpu-xid",
      "instance-status",
      "system-status",
      "unhealthy",
      "volume-lost",
    ].map((alarm) => `PutMetricAlarm image-gen-${alarm}`),
  },
  {
    name: "nightly snapshots",
    config: { snapshots: "daily" },
    besides: [
      "CreateLifecyclePolicy",
      "CreateRole image-gen-snapshots",
      "PutRolePolicy image-gen-snapshots",
      "PutRule image-gen-snapshot-failed",
      "PutTargets",
    ],
  },
  {
    name: "a budget",
    config: { monthlyBudgetUsd: "300" },
    besides: ["CreateBudget imagegen-changes"],
  },
  { name: "time that a start may take", config: { readyTimeoutSeconds: "1200" } },
  { name: "key", config: { kmsKeyArn: KEY }, inOrder: CREATE_FIRST, besides: [...HOST_ALARMS, ROLE] },
  {
    name: "spot",
    config: { purchaseOption: "spot" },
    inOrder: CREATE_FIRST,
    besides: ["CreateGrant", ...HOST_ALARMS],
  },
  {
    name: "back to on-demand",
    config: { purchaseOption: undefined },
    inOrder: CREATE_FIRST,
    besides: [...HOST_ALARMS, "RevokeGrant"],
  },
  { name: "replacement in the other order", config: { replacement: "delete-first" } },
  {
    name: "instance type, in that order",
    config: { pinnedInstanceType: "g6.2xlarge" },
    inOrder: DELETE_FIRST,
    besides: HOST_ALARMS,
  },
  {
    name: "mirror",
    config: { modelMirror: "s3://models/mirror", replacement: undefined },
    inOrder: CREATE_FIRST,
    besides: ["CreateRole image-gen-mirror", ...HOST_ALARMS, DEPLOYED, ROLE, "PutRolePolicy image-gen-mirror"],
  },
  {
    name: "network without internet access",
    config: { network: "endpoints-only" },
    inOrder: CREATE_FIRST,
    besides: [
      "AuthorizeSecurityGroupIngress",
      "CreateSecurityGroup image-gen-endpoints",
      "CreateVpcEndpoint × 9",
      "DeleteInternetGateway",
      "DeleteRoute",
      "ModifySecurityGroupRules",
      "ModifySubnetAttribute",
      ...HOST_ALARMS,
    ],
  },
  {
    name: "load balancer",
    config: {
      access: "alb",
      certificateArn: "arn:aws:acm:us-east-1:123456789012:certificate/1",
      allowedCidrs: "203.0.113.0/24",
      authentication: "api-key",
      apiKeySecretArn: API_KEY,
    },
    inOrder: CREATE_FIRST,
    besides: [
      "AssociateRouteTable × 2",
      "AuthorizeSecurityGroupEgress",
      "AuthorizeSecurityGroupIngress × 3",
      "CreateBucket image-gen-alb-logs",
      "CreateListener × 2",
      "CreateLoadBalancer image-gen-alb",
      "CreateRouteTable × 2",
      "CreateSecurityGroup image-gen-alb",
      "CreateSubnet × 2",
      "CreateTargetGroup image-gen-service",
      "PutBucketEncryption",
      "PutBucketLifecycleConfiguration",
      "PutBucketPolicy",
      ...HOST_ALARMS,
      DEPLOYED,
      "PutPublicAccessBlock",
      ROLE,
      "RegisterTargets",
    ],
  },
  {
    name: "images that go with the stack",
    config: { imagesOnDestroy: "delete" },
    besides: ["PutImageTagMutability image-gen-repository"],
  },
  { name: "what destroy does", config: { onDestroy: "snapshot" } },
];
