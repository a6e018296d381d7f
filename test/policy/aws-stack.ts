import { gzipSync } from "node:zlib";
import type { Registered } from "../support/program.ts";

/** A small stack on AWS, as the engine shows it to a policy, that keeps every rule. Rules are broken by changing it. */
const TAGS = { "imagegen:project": "Picture-Perfect-Challenge", "imagegen:stack": "aws-volume" };

const OPTIONS: Registered["options"] = {
  parent: "",
  protect: false,
  retainOnDelete: false,
  deleteBeforeReplace: false,
  ignoreChanges: [],
  replaceOnChanges: [],
};

const DIGEST = `sha256:${"0".repeat(64)}`;
const userData = `#cloud-config\n${JSON.stringify({ write_files: [{ path: "/etc/image-gen/host.env" }] })}`;

export const deployment = (image: string, environment: Record<string, string> = {}) =>
  JSON.stringify({ schema: 1, id: "abc", image, environment, secrets: { HF_TOKEN: "arn:aws:secretsmanager:x" } });

/** Packed as a host's user data is. */
export const packed = (text: string) => gzipSync(text).toString("base64");

export const policyOf = (...statements: object[]) => JSON.stringify({ Version: "2012-10-17", Statement: statements });

/** Of a task: one that prepares a folder, and the service with these changes. */
export function containers(changes: object = {}): string {
  const both = {
    image: `1.dkr.ecr.us-east-1.amazonaws.com/image-gen@${DIGEST}`,
    readonlyRootFilesystem: true,
    linuxParameters: { capabilities: { drop: ["ALL"] } },
  };
  const service = {
    ...both,
    name: "gateway",
    essential: true,
    user: "10001:10001",
    environment: [{ name: "MODEL_ID", value: "demo" }],
    secrets: [{ name: "IMAGE_GEN_API_KEY", valueFrom: "arn:aws:secretsmanager:us-east-1:1:secret:key" }],
  };
  return JSON.stringify([
    { ...both, name: "tmp", essential: false, user: "0:0" },
    { ...service, ...changes },
  ]);
}

const PLAIN_TEXT = {
  Effect: "Deny",
  Principal: "*",
  Action: "*",
  Resource: "*",
  Condition: { Bool: { "aws:SecureTransport": "false" } },
};

const resource = (type: string, name: string, inputs: Record<string, unknown>, options = {}): Registered => ({
  type,
  name,
  inputs,
  options: { ...OPTIONS, ...options },
});

const stack: readonly Registered[] = [
  resource(
    "aws:ebs/volume:Volume",
    "volume",
    { availabilityZone: "us-east-1a", type: "gp3", size: 100, encrypted: true, tags: TAGS },
    { protect: true, ignoreChanges: ["availabilityZone", "encrypted", "kmsKeyId", "snapshotId"] },
  ),
  resource("aws:ec2/instance:Instance", "instance", {
    rootBlockDevice: { encrypted: true, volumeSize: 60 },
    metadataOptions: { httpTokens: "required", httpPutResponseHopLimit: 1 },
    userDataBase64: packed(userData),
    tags: TAGS,
  }),
  resource("aws:ec2/launchTemplate:LaunchTemplate", "template", {
    blockDeviceMappings: [{ deviceName: "/dev/xvda", ebs: { encrypted: "true" } }],
    metadataOptions: { httpTokens: "required", httpPutResponseHopLimit: 1 },
    tags: TAGS,
  }),
  resource("aws:autoscaling/group:Group", "group", {
    tags: Object.entries(TAGS).map(([key, value]) => ({ key, value, propagateAtLaunch: true })),
  }),
  resource("aws:ec2/volumeAttachment:VolumeAttachment", "attachment", { deviceName: "/dev/sdf" }),
  resource("aws:ec2/securityGroup:SecurityGroup", "group-of-host", {
    ingress: [{ protocol: "tcp", fromPort: 8000, toPort: 8000, cidrBlocks: ["10.0.0.0/8"] }],
    egress: [{ protocol: "-1", fromPort: 0, toPort: 0, cidrBlocks: ["0.0.0.0/0"] }],
    tags: TAGS,
  }),
  resource("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "ingress", {
    cidrIpv4: "192.0.2.0/24",
    tags: TAGS,
  }),
  resource("aws:ec2/securityGroupRule:SecurityGroupRule", "egress", { type: "egress", cidrBlocks: ["0.0.0.0/0"] }),
  resource("aws:iam/role:Role", "role", {
    assumeRolePolicy: policyOf({
      Effect: "Allow",
      Action: "sts:AssumeRole",
      Principal: { Service: "ec2.amazonaws.com" },
    }),
    tags: TAGS,
  }),
  resource("aws:iam/rolePolicy:RolePolicy", "grants", {
    policy: policyOf(
      { Effect: "Allow", Action: "ecr:GetAuthorizationToken", Resource: "*" },
      { Effect: "Allow", Action: ["ssm:GetParameter"], Resource: ["arn:aws:ssm:us-east-1:1:parameter/imagegen/s/*"] },
    ),
  }),
  resource("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "core", {
    policyArn: "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
  }),
  resource("aws:ssm/parameter:Parameter", "deployment", {
    name: "/imagegen/aws-volume/deployment",
    type: "String",
    value: deployment(`1.dkr.ecr.us-east-1.amazonaws.com/image-gen@${DIGEST}`, { HF_TOKEN_PATH: "/run/token" }),
    tags: TAGS,
  }),
  resource("aws:ecr/repository:Repository", "repository", {
    imageTagMutability: "IMMUTABLE_WITH_EXCLUSION",
    imageTagMutabilityExclusionFilters: [{ filter: "cache-*", filterType: "WILDCARD" }],
    imageScanningConfiguration: { scanOnPush: true },
    encryptionConfigurations: [{ encryptionType: "AES256" }],
    tags: TAGS,
  }),
  resource("aws:lb/loadBalancer:LoadBalancer", "balancer", {
    accessLogs: { enabled: true, bucket: "logs" },
    dropInvalidHeaderFields: true,
    idleTimeout: 620,
    tags: TAGS,
  }),
  resource("aws:sqs/queue:Queue", "queue", {
    sqsManagedSseEnabled: true,
    redrivePolicy: JSON.stringify({ deadLetterTargetArn: "arn:aws:sqs:us-east-1:1:dead", maxReceiveCount: 50 }),
    messageRetentionSeconds: 604_800,
    tags: TAGS,
  }),
  resource("aws:sqs/queue:Queue", "dead-letters", {
    sqsManagedSseEnabled: true,
    messageRetentionSeconds: 1_209_600,
    tags: TAGS,
  }),
  resource("aws:ecs/cluster:Cluster", "cluster", { tags: TAGS }),
  resource("aws:ecs/taskDefinition:TaskDefinition", "task", {
    networkMode: "awsvpc",
    containerDefinitions: containers(),
    tags: TAGS,
  }),
  resource("aws:ecs/service:Service", "service", {
    deploymentCircuitBreaker: { enable: true, rollback: true },
    tags: TAGS,
  }),
  resource("aws:sqs/queuePolicy:QueuePolicy", "queue-policy", { policy: policyOf(PLAIN_TEXT) }),
  resource("aws:s3/bucketPolicy:BucketPolicy", "bucket-policy", { policy: policyOf(PLAIN_TEXT) }),
  resource("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "bucket-access", {
    blockPublicAcls: true,
    blockPublicPolicy: true,
    ignorePublicAcls: true,
    restrictPublicBuckets: true,
  }),
  resource("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "default", { ingress: [], egress: [], tags: TAGS }),
  resource("docker-build:index:Image", "image", { buildArgs: { MODEL_ID: "demo" }, secrets: { hf_token: "hf_x" } }),
];

export const good = (): readonly Registered[] => stack;
