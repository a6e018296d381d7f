import { type Problem, qualifyKey } from "../problem.ts";
import { SERVICE_VARIABLES, variableOf } from "../service-variables.ts";
import { balancerProblems, regionProblem } from "./balancer-rules.ts";
import type { AwsSettings } from "./settings.ts";

/** Rules between keys: each returns a problem, or false. */
const RULES: readonly ((settings: AwsSettings) => Problem | false)[] = [
  ({ network, modelCache, modelMirror }) =>
    network === "endpoints-only" &&
    modelCache !== "baked" &&
    modelMirror === null &&
    problem("modelCache", "baked, or a modelMirror, with network endpoints-only", modelCache, "baked"),
  ({ network, hubEndpoint }) =>
    network === "endpoints-only" &&
    hubEndpoint !== null &&
    problem("hubEndpoint", "none with network endpoints-only", hubEndpoint, ""),
  ({ access, authentication, apiKeySecretArn }) =>
    access === "alb" &&
    authentication !== "oidc" &&
    apiKeySecretArn === null &&
    problem("authentication", "apiKeySecretArn or oidc with access alb", "neither", SECRET, "apiKeySecretArn"),
  ({ authentication, apiKeySecretArn }) =>
    authentication === "api-key" &&
    apiKeySecretArn === null &&
    problem("apiKeySecretArn", "a secret with authentication api-key", "nothing", SECRET),
  (settings) => {
    const missing = settings.authentication === "oidc" && OIDC_KEYS.find((key) => settings[key] === null);
    return missing ? problem(missing, "a value with authentication oidc", "nothing", "…") : false;
  },
  ({ authentication, access }) =>
    authentication === "oidc" && access !== "alb" && problem("access", "alb with authentication oidc", access, "alb"),
  ({ authentication, network }) =>
    authentication === "oidc" &&
    network === "endpoints-only" &&
    problem(
      "network",
      "public or nat with authentication oidc, as the load balancer must reach the identity provider's endpoints from the VPC (or authentication api-key)",
      network,
      "nat",
    ),
  ({ access, deletionProtection }) =>
    deletionProtection &&
    access !== "alb" &&
    problem("access", "alb, until an update with deletionProtection false: AWS keeps the load balancer", access, "alb"),
  ({ access, authentication, certificateArn, allowedCidrs, albSubnetIds }) => {
    // Sign-in without a load balancer is a problem of its own, with the same fix.
    if (access === "alb" || authentication === "oidc") return false;
    const set = Object.entries({ certificateArn, allowedCidrs, albSubnetIds }).find(([, value]) => value?.length);
    if (!set) return false;
    const [key, value] = set;
    return {
      path: qualifyKey(key),
      expected: "none without access alb: it is the load balancer's",
      got: String(value),
      fix: { unset: key },
    };
  },
  ({ vpcId, subnetId }) =>
    vpcId !== null &&
    subnetId === null &&
    problem("subnetId", "a subnet of the vpcId", "nothing", "subnet-0123456789abcdef0"),
  ({ volumeIops, volumeSizeGb }) => {
    const most = volumeSizeGb === null ? Number.POSITIVE_INFINITY : Math.max(3000, volumeSizeGb * 500);
    return volumeIops > most && problem("volumeIops", `at most 500 for each GiB, ${most}`, volumeIops, "3000");
  },
  ({ volumeIops, volumeThroughputMb: throughput }) =>
    throughput !== null &&
    throughput > volumeIops / 4 &&
    problem("volumeThroughputMb", `at most a quarter of volumeIops, ${volumeIops / 4}`, throughput, "300"),
  ({ volumeId, volumeSnapshotId }) =>
    volumeId !== null &&
    volumeSnapshotId !== null &&
    problem("volumeSnapshotId", "none with volumeId, whose volume is used as it is", volumeSnapshotId, ""),
  ({ volumeInitializationRate, volumeSnapshotId }) =>
    volumeInitializationRate !== null &&
    volumeSnapshotId === null &&
    problem("volumeInitializationRate", "0 without volumeSnapshotId", volumeInitializationRate, "0"),
  ({ instanceStoreCache, modelCache }) =>
    instanceStoreCache &&
    modelCache === "baked" &&
    problem("instanceStoreCache", "false with modelCache baked: it is a copy of the volume's model", "true", "false"),
  ({ monthlyBudgetUsd, alarmTopicArn }) =>
    monthlyBudgetUsd !== null &&
    alarmTopicArn === null &&
    problem(
      "alarmTopicArn",
      "the ARN of an SNS topic with monthlyBudgetUsd",
      "nothing",
      "arn:aws:sns:us-east-1:123456789012:alarms",
    ),
  ({ availabilityZone, region }) =>
    availabilityZone !== null &&
    availabilityZone.slice(0, -1) !== region &&
    problem("availabilityZone", `a zone of ${region}`, availabilityZone, `${region}a`),
  ({ purchaseOption, pinnedPurchaseOption: pinned }) =>
    pinned !== null &&
    purchaseOption !== "spot-then-on-demand" &&
    pinned !== purchaseOption &&
    problem("pinnedPurchaseOption", `${purchaseOption}, like purchaseOption`, pinned, ""),
  ({ selfHealing, purchaseOption, pinnedPurchaseOption: pinned }) =>
    selfHealing &&
    purchaseOption === "spot-then-on-demand" &&
    pinned === null &&
    problem(
      "purchaseOption",
      "on-demand or spot with selfHealing, whose group starts hosts of one purchase option",
      purchaseOption,
      "on-demand",
    ),
  ({ selfHealing, idleStopMinutes }) =>
    selfHealing &&
    idleStopMinutes !== null &&
    problem("idleStopMinutes", "0 with selfHealing, which would start the host again", idleStopMinutes, "0"),
  ({ caFile }) =>
    caFile !== null &&
    problem(
      "caFile",
      "none on AWS, where a host has no file of this machine: put authorities into baseImage",
      caFile,
      "",
    ),
  ({ apiKeysFile }) =>
    apiKeysFile !== null &&
    problem(
      "apiKeysFile",
      "none on AWS, where a host has no file of this machine: put the keys into the secret of apiKeySecretArn",
      apiKeysFile,
      "",
    ),
  ({ gpu }) => gpu === "none" && problem("gpu", "GPUs of the host, which is there for them", gpu, "auto"),
  ({ modelMirror }) =>
    modelMirror?.startsWith("/") === true &&
    problem("modelMirror", "s3://bucket/prefix on AWS", modelMirror, "s3://my-models/mirror"),
  ({ secretKeys }) => {
    const key = secretKeys.find((each) => each !== "hfToken");
    return key !== undefined && secretOnAws(key);
  },
  ({ environmentSecretArns, environment }) => {
    const fixed = SERVICE_VARIABLES.filter((each) => each.fixed !== undefined).map(({ name }) => name);
    const name = Object.keys(environmentSecretArns).find((each) => fixed.includes(each) || each in environment);
    return name !== undefined && problem("environmentSecretArns", `no ${name}, which is set without it`, name, "");
  },
];

/** What AWS uses only where the stack is. A secret is looked for there, too. */
const REGIONAL_KEYS = [
  "kmsKeyArn",
  "decryptKmsKeyArns",
  "certificateArn",
  "alarmTopicArn",
  "apiKeySecretArn",
  "hfTokenSecretArn",
  "oidcClientSecretArn",
  "environmentSecretArns",
] as const;

const SECRET = "arn:aws:secretsmanager:…";

/** A host reads its secrets from Secrets Manager: the parameter with its deployment shows what is in it. */
export function secretOnAws(key: string): Problem {
  const arns = key === "apiKey" ? "apiKeySecretArn" : "environmentSecretArns";
  const variable = key === "apiKey" ? "" : `${variableOf(key) || "<NAME>"}=`;
  const fix = { set: arns, value: `${variable}${SECRET}`, unset: key };
  return { path: qualifyKey(key), expected: `${arns} in its place on AWS`, got: "a secret's value", fix };
}

const OIDC_KEYS = [
  "oidcIssuer",
  "oidcAuthorizationEndpoint",
  "oidcTokenEndpoint",
  "oidcUserInfoEndpoint",
  "oidcClientId",
  "oidcClientSecretArn",
] as const;

/** Every problem between keys. */
export function awsProblems(settings: AwsSettings): readonly Problem[] {
  const { access, vpcId, subnetId } = settings;
  const isExisting = (vpcId ?? subnetId) !== null;
  return [
    ...RULES.map((rule) => rule(settings)).filter((found) => found !== false),
    ...regionProblem(settings, REGIONAL_KEYS),
    ...(access === "alb" ? balancerProblems(settings, { isExisting, reason: "access alb" }) : []),
  ];
}

/** `value`: what to set, for the key itself or for the one that is named after it. */
function problem(
  key: keyof AwsSettings,
  expected: string,
  got: string | number,
  value: string,
  set: keyof AwsSettings = key,
): Problem {
  return { path: qualifyKey(key), expected, got: String(got), fix: { set, value } };
}
