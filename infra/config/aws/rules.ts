import { PROJECT } from "../settings.ts";
import type { AwsSettings } from "./settings.ts";

/** What one key can't tell alone: each returns a problem's line, or null. */
const CHECKS: readonly ((settings: AwsSettings) => string | null)[] = [
  ({ network, modelCache, modelMirror }) =>
    network === "endpoints-only" && modelCache !== "baked" && modelMirror === null
      ? line("modelCache", "baked, or a modelMirror, with network endpoints-only", modelCache, "modelCache baked")
      : null,
  ({ network, hubEndpoint }) =>
    network === "endpoints-only" && hubEndpoint !== null
      ? line("hubEndpoint", "none with network endpoints-only", hubEndpoint, 'hubEndpoint ""')
      : null,
  ({ access, certificateArn }) =>
    access === "alb" && certificateArn === null
      ? line("certificateArn", "a certificate with access alb", "nothing", "certificateArn arn:aws:acm:…")
      : null,
  ({ access, authentication, apiKeySecretArn }) =>
    access === "alb" && authentication !== "oidc" && apiKeySecretArn === null
      ? line("authentication", "apiKeySecretArn or oidc with access alb", "neither", "apiKeySecretArn arn:aws:…")
      : null,
  ({ authentication, apiKeySecretArn }) =>
    authentication === "api-key" && apiKeySecretArn === null
      ? line("apiKeySecretArn", "a secret with authentication api-key", "nothing", "apiKeySecretArn arn:aws:…")
      : null,
  (settings) => {
    if (settings.authentication !== "oidc") return null;
    const missing = OIDC_KEYS.find((key) => settings[key] === null);
    return missing ? line(missing, "a value with authentication oidc", "nothing", `${missing} …`) : null;
  },
  ({ authentication, access }) =>
    authentication === "oidc" && access !== "alb"
      ? line("access", "alb with authentication oidc", access, "access alb")
      : null,
  ({ access, allowedCidrs }) =>
    access === "alb" && allowedCidrs.length === 0
      ? line("allowedCidrs", "who may reach the load balancer", "nothing", "allowedCidrs 203.0.113.0/24")
      : null,
  ({ access, allowedCidrs, allowPublic }) =>
    access === "alb" && allowedCidrs.some(isVast) && !allowPublic
      ? line("allowPublic", `true with ${allowedCidrs.find(isVast)} in allowedCidrs`, "false", "allowPublic true")
      : null,
  ({ access, vpcId, subnetId, albSubnetIds }) =>
    access === "alb" && (vpcId ?? subnetId) !== null && albSubnetIds.length < 2
      ? line("albSubnetIds", "two subnets in two zones", String(albSubnetIds.length), "albSubnetIds subnet-…,subnet-…")
      : null,
  ({ vpcId, subnetId }) =>
    vpcId !== null && subnetId === null
      ? line("subnetId", "a subnet of the vpcId", "nothing", "subnetId subnet-0123456789abcdef0")
      : null,
  ({ volumeIops, volumeSizeGb }) =>
    volumeSizeGb !== null && volumeIops > Math.max(3000, volumeSizeGb * 500)
      ? line(
          "volumeIops",
          `at most 500 for each GiB, ${Math.max(3000, volumeSizeGb * 500)}`,
          volumeIops,
          "volumeIops 3000",
        )
      : null,
  ({ volumeIops, volumeThroughputMb }) =>
    volumeThroughputMb > volumeIops / 4
      ? line(
          "volumeThroughputMb",
          `at most a quarter of volumeIops, ${volumeIops / 4}`,
          volumeThroughputMb,
          "volumeThroughputMb 300",
        )
      : null,
  ({ volumeId, volumeSnapshotId }) =>
    volumeId !== null && volumeSnapshotId !== null
      ? line(
          "volumeSnapshotId",
          "none with volumeId, which is adopted as it is",
          volumeSnapshotId,
          'volumeSnapshotId ""',
        )
      : null,
  ({ volumeInitializationRate, volumeSnapshotId }) =>
    volumeInitializationRate !== null && volumeSnapshotId === null
      ? line(
          "volumeInitializationRate",
          "0 without volumeSnapshotId",
          volumeInitializationRate,
          "volumeInitializationRate 0",
        )
      : null,
  ({ availabilityZone, region }) =>
    availabilityZone !== null && availabilityZone.slice(0, -1) !== region
      ? line("availabilityZone", `a zone of ${region}`, availabilityZone, `availabilityZone ${region}a`)
      : null,
  ({ capacity, market }) =>
    market !== null && capacity !== "spot-then-on-demand" && market !== capacity
      ? line("market", `${capacity}, as capacity says`, market, 'market ""')
      : null,
  ({ selfHealing, idleStopMinutes }) =>
    selfHealing && idleStopMinutes !== null
      ? line(
          "idleStopMinutes",
          "0 with selfHealing, which would start the host again",
          idleStopMinutes,
          "idleStopMinutes 0",
        )
      : null,
];

const OIDC_KEYS = [
  "oidcIssuer",
  "oidcAuthorizationEndpoint",
  "oidcTokenEndpoint",
  "oidcUserInfoEndpoint",
  "oidcClientId",
  "oidcClientSecretArn",
] as const;

/** Wider than anybody's own network: two halves of the internet are as open as the whole. */
const isVast = (cidr: string) => Number(cidr.split("/")[1]) < 8;

/** Every problem between keys, one line each. */
export function awsProblems(settings: AwsSettings): readonly string[] {
  return CHECKS.map((check) => check(settings)).filter((problem) => problem !== null);
}

function line(key: keyof AwsSettings, expected: string, got: string | number, fix: string): string {
  return `${PROJECT}:${key}: expected ${expected}, got ${got}. Fix: pulumi config set ${fix}`;
}
