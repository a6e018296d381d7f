import { flag, number, text, unset } from "../key.ts";
import { httpUrl, integer, listOf, matching, oneOf, optional, type Parser, variables } from "../parsers.ts";
import { amiId, arn, availabilityZone, cidr, ec2Id, instanceType } from "./parsers.ts";

const secretArn = arn("secretsmanager", /^secret:.+/, "the ARN of a secret in Secrets Manager");
const SECRET_EXAMPLE = "arn:aws:secretsmanager:us-east-1:123456789012:secret:name-AbCdEf";
const secretArns: Parser<Readonly<Record<string, string>>> = (value) => {
  const found = variables(value);
  const arns = "value" in found && Object.values(found.value).every((each) => "value" in secretArn(each));
  return arns
    ? found
    : { expected: "variables as NAME=ARN,NAME=ARN or as JSON, each the ARN of a secret in Secrets Manager" };
};
const kmsKeyArn = arn("kms", /^key\/.+/, "the ARN of a KMS key");
const KMS_EXAMPLE = "arn:aws:kms:us-east-1:123456789012:key/…";
const endpoint = unset(httpUrl, "https://id.example/oauth2");

/** Keys of a stack on AWS. `aws:region` is Pulumi's own. */
export const AWS_KEYS = {
  /** GPU types that are good enough, the preferred one first. */
  instanceTypes: text("g6.xlarge,g5.xlarge,g4dn.xlarge", listOf(instanceType, 1), "g6.xlarge,g5.xlarge"),
  purchaseOption: text("on-demand", oneOf("on-demand", "spot", "spot-then-on-demand")),
  /** The type, and the purchase option, that `imagegen up` got after a fallback; null: the first choice. */
  pinnedInstanceType: unset(instanceType, "g6.xlarge"),
  pinnedPurchaseOption: unset(oneOf("spot", "on-demand"), "on-demand"),
  /** `create-first` launches the new host before the old one stops, and needs the quota for both. */
  replacement: text("create-first", oneOf("create-first", "delete-first")),
  /** An Auto Scaling group of one, which replaces a lost host. */
  selfHealing: flag,
  /** The zone for a volume that is not there yet. */
  availabilityZone: unset(availabilityZone, "us-east-1a"),
  /** A pinned machine image; null: the newest at the first deploy, and then that one. */
  amiId: unset(amiId, "ami-0123456789abcdef0"),
  ami: text("ecs-gpu-al2023", oneOf("ecs-gpu-al2023", "dlami-ubuntu-24.04")),
  /** Size of the root disk in GiB; null: sized by the image. */
  rootSizeGb: number(0, optional("0", integer(30, 16_384)), 60),
  /** Minutes without a request until the host stops itself; null: never. */
  idleStopMinutes: number(0, optional("0", integer(5, 10_080)), 60),

  network: text("public", oneOf("public", "nat", "endpoints-only")),
  vpcId: unset(ec2Id("vpc"), "vpc-0123456789abcdef0"),
  subnetId: unset(ec2Id("subnet"), "subnet-0123456789abcdef0"),
  /** Two public subnets of an existing VPC, for the load balancer. */
  albSubnetIds: text("", listOf(ec2Id("subnet")), "subnet-0123456789abcdef0,subnet-0123456789abcdef1"),

  access: text("ssm", oneOf("ssm", "alb")),
  certificateArn: unset(
    arn("acm", /^certificate\/.+/, "the ARN of a certificate in ACM"),
    "arn:aws:acm:us-east-1:123456789012:certificate/…",
  ),
  allowedCidrs: text("", listOf(cidr), "203.0.113.0/24"),
  allowPublic: flag,
  /** Whether AWS refuses to delete the load balancer; `imagegen down` names the way to turn it off. */
  deletionProtection: flag,
  authentication: unset(oneOf("api-key", "oidc"), "api-key"),
  oidcIssuer: unset(httpUrl, "https://id.example"),
  oidcAuthorizationEndpoint: endpoint,
  oidcTokenEndpoint: endpoint,
  oidcUserInfoEndpoint: endpoint,
  oidcClientId: unset(matching(/^[\x21-\x7e]+$/, "a client id without spaces"), "image-gen"),
  oidcClientSecretArn: unset(secretArn, SECRET_EXAMPLE),
  apiKeySecretArn: unset(secretArn, SECRET_EXAMPLE),
  hfTokenSecretArn: unset(secretArn, SECRET_EXAMPLE),
  /** Variables of the service whose values are secrets: a proxy with a password, say. */
  environmentSecretArns: text("", secretArns, `HTTPS_PROXY=${SECRET_EXAMPLE}`),

  /** GiB; null: sized by the model. */
  volumeSizeGb: number(0, optional("0", integer(1, 65_536)), 100),
  volumeIops: number(3000, integer(3000, 80_000)),
  /** MiB/s; null: what the instance type sustains. */
  volumeThroughputMb: number(0, optional("0", integer(125, 2000)), 300),
  volumeSnapshotId: unset(ec2Id("snap"), "snap-0123456789abcdef0"),
  /** MiB/s at which a volume from a snapshot is filled; null: lazily. */
  volumeInitializationRate: number(0, optional("0", integer(100, 300)), 200),
  /** An existing volume to use as it is. */
  volumeId: unset(ec2Id("vol"), "vol-0123456789abcdef0"),
  /** Raised by a move to another zone: each generation is a volume of its own. */
  volumeGeneration: number(1, integer(1, 199)),
  /** A copy of the model on the host's own NVMe disk, which starts load; the volume stays the model's place. */
  instanceStoreCache: flag,
  onDestroy: text("retain", oneOf("retain", "snapshot", "delete")),
  /** What happens to the image repository when the stack is destroyed. */
  imagesOnDestroy: text("retain", oneOf("retain", "delete")),
  /** Customer key of the volumes and the image repository; null: AWS's own. */
  kmsKeyArn: unset(kmsKeyArn, KMS_EXAMPLE),
  /** Customer keys of the secrets and of the mirror's bucket, which the host has to decrypt with. */
  decryptKmsKeyArns: text("", listOf(kmsKeyArn), KMS_EXAMPLE),
  /** The policy that limits what the stack's roles may ever do; null: none. A deployment from CI may make no role without. */
  permissionsBoundaryArn: unset(
    arn("iam", /^policy\/.+/, "the ARN of a managed policy"),
    "arn:aws:iam::123456789012:policy/imagegen-ci-boundary",
  ),
  snapshots: text("off", oneOf("off", "daily"), "daily"),
  snapshotRetentionDays: number(3, integer(1, 365)),

  alarmTopicArn: unset(arn("sns", /^[\w-]+$/, "the ARN of an SNS topic"), "arn:aws:sns:us-east-1:123456789012:alarms"),
  /** USD a month, of the stack's costs, above which `alarmTopicArn` is notified; null: no budget. */
  monthlyBudgetUsd: number(0, optional("0", integer(1, 1_000_000)), 300),
  /** A page of CloudWatch with the stack's metrics, alarms and log. */
  dashboard: flag,
  logRetentionDays: number(30, retention),
  /** Name of a buildx builder; null: the build's default. */
  builder: unset(matching(/^[A-Za-z][A-Za-z0-9_.-]*$/, "the name of a buildx builder"), "default"),
  imagePlatform: text("linux/amd64", oneOf("linux/amd64")),
  /** Placeholders for the secrets that the program looks up: for previews by unreviewed code, which may read none. */
  previewWithoutSecrets: flag,
};

/** CloudWatch takes these numbers of days and no others. */
function retention(value: string) {
  const days = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
  ];
  const found = days.find((count) => String(count) === value);
  return found === undefined ? { expected: `one of ${days.join(", ")}` } : { value: found };
}
