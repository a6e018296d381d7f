import { arn, ec2Id } from "../aws/parsers.ts";
import { number, text, unset } from "../key.ts";
import { integer, listOf, matching, oneOf } from "../parsers.ts";

const repository = matching(
  /^[A-Za-z0-9][\w.-]*(?:\/[A-Za-z0-9][\w.-]*)+$/,
  "the repository as <organisation>/<name>; in GitLab also with groups between them",
);

/** Keys of a stack with what deployments from CI need. `aws:region` is Pulumi's own. */
export const CI_KEYS = {
  /** Whose jobs may take the roles. It has no default: a rule requires it. */
  repository: unset(repository, "my-org/my-repository"),
  /** Ids of the repository's owner and of the repository, which GitHub sends of repositories from 15 July 2026 on. */
  repositoryIds: unset(matching(/^\d+\/\d+$/, "the ids as <owner's id>/<repository's id>"), "123456/456789"),
  ciProvider: text("github", oneOf("github", "gitlab")),
  /** The account's OIDC provider of GitHub or GitLab, where it has one; null: it is made. An account has one for each issuer. */
  oidcProviderArn: unset(
    arn("iam", /^oidc-provider\/[\w./-]+$/, "the ARN of an OIDC provider in IAM"),
    "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com",
  ),
  /** What the names of the bucket, the key and the roles begin with. Short enough for a bucket's name, with account and region after it. */
  ciPrefix: text(
    "imagegen-ci",
    matching(
      /^(?!image-gen)[a-z][a-z0-9-]{1,23}[a-z0-9]$/,
      "3 to 25 lower-case letters, digits and -, not beginning with image-gen, as names of a service's own resources do",
    ),
  ),
  /** The branch that is deployed. */
  deployBranch: text("main", matching(/^[A-Za-z0-9][\w./-]*$/, "the name of a branch")),
  /** The stack that the workflows deploy. */
  deployStack: text("aws-volume", matching(/^[A-Za-z0-9][\w.-]*$/, "the name of a stack")),
  /** The stack that the workflow `canary` makes, asks for a picture and destroys, once a week; null: no role is made for it. */
  canaryStack: unset(matching(/^[A-Za-z0-9][\w.-]*$/, "the name of a stack"), "canary"),
  /** The mirror that the workflow `mirror` fills; null: no role is made for it. */
  mirrorUri: unset(
    matching(/^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:\/[\w.-]+)*$/, "a place in S3 as s3://<bucket>/<prefix>"),
    "s3://my-models/mirror",
  ),
  /** Days that earlier versions of the state are kept. */
  stateVersionDays: number(90, integer(7, 3650)),
  /** Customer keys of the stacks' volumes and images (`kmsKeyArn`), which a deployment uses. */
  deployKmsKeyArns: text(
    "",
    listOf(arn("kms", /^key\/.+/, "the ARN of a KMS key")),
    "arn:aws:kms:us-east-1:123456789012:key/…",
  ),
  /** Secrets, customer keys and buckets that hosts of a deployed stack may be given: what the boundary of their roles has besides. */
  hostResourceArns: text(
    "",
    listOf(
      matching(
        /^arn:aws(?:-[a-z]+)*:(?:secretsmanager:[a-z0-9-]+:\d{12}:secret:.+|kms:[a-z0-9-]+:\d{12}:key\/.+|s3:::[a-z0-9.-]+)$/,
        "the ARN of a secret in Secrets Manager, of a KMS key or of a bucket",
      ),
    ),
    "arn:aws:s3:::my-models",
  ),
  /** Volumes that were there before (`volumeId`), and that a deployment may tag and attach. */
  deployVolumeIds: text("", listOf(ec2Id("vol")), "vol-0123456789abcdef0"),
  /** Secrets that a deployment reads: of OIDC's client (`oidcClientSecretArn`). */
  deploySecretArns: text(
    "",
    listOf(arn("secretsmanager", /^secret:.+/, "the ARN of a secret in Secrets Manager")),
    "arn:aws:secretsmanager:us-east-1:123456789012:secret:name-AbCdEf",
  ),
};
