import type { PermissionTable } from "./table.ts";

/** Of a bucket, the provider reads every setting, whether the program sets it or not. */
const BUCKET_READS = [
  "s3:GetAccelerateConfiguration",
  "s3:GetBucketAcl",
  "s3:GetBucketCORS",
  "s3:GetBucketLogging",
  "s3:GetBucketObjectLockConfiguration",
  "s3:GetBucketPolicy",
  "s3:GetBucketRequestPayment",
  "s3:GetBucketTagging",
  "s3:GetBucketVersioning",
  "s3:GetBucketWebsite",
  "s3:GetEncryptionConfiguration",
  "s3:GetLifecycleConfiguration",
  "s3:GetReplicationConfiguration",
  "s3:ListBucket",
  "s3:ListTagsForResource",
];

/** A registry's login, and the layers of the stack's own repositories. */
const PULL = {
  anyResource: ["ecr:GetAuthorizationToken"],
  repositories: ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
};
const PUSH = {
  repositories: ["ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart"],
};

/** The image and its repository, logs, alarms, parameters, snapshots, the buckets of the access logs and of the jobs of a fleet. */
export const SERVICES: PermissionTable = {
  "docker-build:index:Image": { read: PULL, write: PUSH },
  "docker-build:index:Index": { read: PULL, write: PUSH },
  "aws:ecr/repository:Repository": {
    read: { repositories: ["ecr:DescribeRepositories", "ecr:ListTagsForResource"] },
    write: {
      repositories: [
        "ecr:CreateRepository",
        "ecr:DeleteRepository",
        "ecr:PutImageScanningConfiguration",
        "ecr:PutImageTagMutability",
        "ecr:TagResource",
        "ecr:UntagResource",
      ],
    },
  },
  "aws:ecr/lifecyclePolicy:LifecyclePolicy": {
    read: { repositories: ["ecr:GetLifecyclePolicy"] },
    write: { repositories: ["ecr:DeleteLifecyclePolicy", "ecr:PutLifecyclePolicy"] },
  },
  "aws:ssm/parameter:Parameter": {
    read: {
      anyResource: ["ssm:DescribeParameters"],
      parameters: ["ssm:GetParameter", "ssm:ListTagsForResource"],
    },
    write: {
      parameters: ["ssm:AddTagsToResource", "ssm:DeleteParameter", "ssm:PutParameter", "ssm:RemoveTagsFromResource"],
    },
  },
  "aws:cloudwatch/logGroup:LogGroup": {
    read: { anyResource: ["logs:DescribeLogGroups"], logGroups: ["logs:ListTagsForResource"] },
    write: {
      logGroups: [
        "logs:CreateLogGroup",
        "logs:DeleteLogGroup",
        "logs:DeleteRetentionPolicy",
        "logs:PutRetentionPolicy",
        "logs:TagResource",
        "logs:UntagResource",
      ],
    },
  },
  "aws:cloudwatch/metricAlarm:MetricAlarm": {
    read: { alarms: ["cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource"] },
    write: {
      alarms: [
        "cloudwatch:DeleteAlarms",
        "cloudwatch:PutMetricAlarm",
        "cloudwatch:TagResource",
        "cloudwatch:UntagResource",
      ],
      // For the action that reboots a host.
      serviceRoles: ["iam:CreateServiceLinkedRole"],
    },
  },
  "aws:budgets/budget:Budget": {
    read: { budgets: ["budgets:ListTagsForResource", "budgets:ViewBudget"] },
    write: { budgets: ["budgets:ModifyBudget", "budgets:TagResource", "budgets:UntagResource"] },
  },
  "aws:cloudwatch/dashboard:Dashboard": {
    read: { dashboards: ["cloudwatch:GetDashboard"] },
    write: { dashboards: ["cloudwatch:DeleteDashboards", "cloudwatch:PutDashboard"] },
  },
  "aws:cloudwatch/eventRule:EventRule": {
    read: { rules: ["events:DescribeRule", "events:ListTagsForResource"] },
    write: { rules: ["events:DeleteRule", "events:PutRule", "events:TagResource", "events:UntagResource"] },
  },
  "aws:cloudwatch/eventTarget:EventTarget": {
    read: { rules: ["events:ListTargetsByRule"] },
    write: { rules: ["events:PutTargets", "events:RemoveTargets"] },
  },
  "aws:dlm/lifecyclePolicy:LifecyclePolicy": {
    read: { snapshotPolicies: ["dlm:GetLifecyclePolicy"] },
    write: {
      newSnapshotPolicies: ["dlm:CreateLifecyclePolicy"],
      tagsOfSnapshotPolicies: ["dlm:TagResource"],
      snapshotPolicies: [
        "dlm:DeleteLifecyclePolicy",
        "dlm:TagResource",
        "dlm:UntagResource",
        "dlm:UpdateLifecyclePolicy",
      ],
      passedRoles: ["iam:PassRole"],
    },
  },
  "aws:s3/bucket:Bucket": {
    read: { buckets: BUCKET_READS },
    // The bucket of the logs goes with the stack, and what is in it; so does that of the jobs where config says so.
    write: {
      buckets: [
        "s3:CreateBucket",
        "s3:DeleteBucket",
        "s3:ListBucketVersions",
        "s3:PutBucketTagging",
        "s3:TagResource",
        "s3:UntagResource",
      ],
      bucketObjects: ["s3:DeleteObject", "s3:DeleteObjectVersion"],
    },
  },
  "aws:s3/bucketPolicy:BucketPolicy": {
    read: { buckets: ["s3:GetBucketPolicy"] },
    write: { buckets: ["s3:DeleteBucketPolicy", "s3:PutBucketPolicy"] },
  },
  "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": {
    read: { buckets: ["s3:GetBucketPublicAccessBlock"] },
    write: { buckets: ["s3:PutBucketPublicAccessBlock"] },
  },
  "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": {
    read: { buckets: ["s3:GetEncryptionConfiguration"] },
    write: { buckets: ["s3:PutEncryptionConfiguration"] },
  },
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": {
    read: { buckets: ["s3:GetLifecycleConfiguration"] },
    write: { buckets: ["s3:PutLifecycleConfiguration"] },
  },
};
