import { describe, expect, test } from "vitest";
import { gatewaySettings, hostSettings } from "../../../../infra/config/fleet/host-settings.ts";
import { fleetProblemsWith, fleetSettings, GATEWAY } from "../../../support/fleet-settings.ts";

const CLOSED = { network: "endpoints-only", modelCache: "baked" };
const WEBHOOKS = {
  environmentSecretArns:
    "IMAGE_GEN_WEBHOOK_SECRET=arn:aws:secretsmanager:us-east-1:123456789012:secret:webhooks-AbCdEf",
};

test("every key has a default, and a fleet needs nothing but a region", () => {
  expect(fleetSettings()).toMatchObject({
    target: "fleet",
    region: "us-east-1",
    minHosts: 0,
    maxHosts: 4,
    rescueHosts: 1,
    patienceSeconds: 600,
    idleMinutes: 15,
    secondsPerPicture: 10,
    resultDays: 7,
    resultsOnDestroy: "retain",
    subnetIds: [],
    instanceTypes: ["g6.xlarge", "g5.xlarge", "g4dn.xlarge"],
  });
  expect(fleetProblemsWith({}, "")).toEqual([
    "aws:region: expected a region such as us-east-1, got nothing. Fix: pulumi config set aws:region us-east-1",
  ]);
});

describe("a mistake is one line with a fix", () => {
  test.each([
    [{ minHosts: "5" }, "maxHosts: expected at least minHosts, 5, got 4. Fix: pulumi config set maxHosts 5"],
    [{ maxHosts: "0" }, 'maxHosts: expected a whole number from 1 to 500, got "0". Fix: pulumi config set maxHosts 4'],
    [
      { secondsPerPicture: "200" },
      "patienceSeconds: expected the time of 4 pictures or more, 800, got 600. Fix: pulumi config set patienceSeconds 800",
    ],
    [
      { subnetIds: "subnet-0123456789abcdef0" },
      "subnetIds: expected two subnets or more, in different zones: spot capacity moves between zones, got 1. Fix: pulumi config set subnetIds subnet-…,subnet-…",
    ],
    [
      { resultsOnDestroy: "keep" },
      'resultsOnDestroy: expected retain or delete, got "keep". Fix: pulumi config set resultsOnDestroy retain',
    ],
    [
      { pictureUrlSeconds: "90000", resultDays: "1" },
      "pictureUrlSeconds: expected at most 86400, the seconds of resultDays: the bucket deletes all objects after 1 days, got 90000. Fix: pulumi config set pictureUrlSeconds 86400",
    ],
    [
      { ...CLOSED, ...WEBHOOKS },
      "network: expected public or nat with IMAGE_GEN_WEBHOOK_SECRET: a webhook's address has to be public, and nothing public can be reached, got endpoints-only. Fix: pulumi config set network nat",
    ],
  ])("%j", (raw, line) => {
    expect(fleetProblemsWith(raw as Record<string, string>)).toEqual([`Picture-Perfect-Challenge:${line}`]);
  });

  test.each([
    { pictureUrlSeconds: "86400", resultDays: "1" },
    { ...WEBHOOKS, network: "nat" },
    { ...CLOSED, ...WEBHOOKS, environment: "IMAGE_GEN_WEBHOOK_PRIVATE=1" },
  ])("%j is none", (raw) => {
    expect(fleetProblemsWith(raw as Record<string, string>)).toEqual([]);
  });

  test("of a host is what it is for one host", () => {
    expect(fleetProblemsWith({ network: "endpoints-only" })).toEqual([
      "Picture-Perfect-Challenge:modelCache: expected baked, or a modelMirror, with network endpoints-only, got volume. Fix: pulumi config set modelCache baked",
    ]);
    expect(fleetProblemsWith({ monthlyBudgetUsd: "100" })[0]).toMatch(
      /^Picture-Perfect-Challenge:alarmTopicArn: expected/,
    );
    expect(
      fleetProblemsWith({ hfTokenSecretArn: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:t-AbCdEf" })[0],
    ).toMatch(/hfTokenSecretArn: expected an ARN of us-east-1/);
  });

  test.each([
    "volumeSizeGb",
    "selfHealing",
    "access",
    "authentication",
    "port",
    "queueLimit",
    "apiKey",
    "containerName",
  ])("%s is a key of another target", (key) => {
    const value =
      { volumeSizeGb: "90", selfHealing: "true", access: "alb", authentication: "oidc", port: "8001", queueLimit: "3" }[
        key
      ] ?? "x";
    const [line] = fleetProblemsWith({ [key]: value });
    expect(line).toBe(
      `Picture-Perfect-Challenge:${key}: expected no such key with target fleet, got "${value}". Fix: pulumi config rm ${key}`,
    );
  });
});

describe("a gateway", () => {
  const without = (key: keyof typeof GATEWAY) => ({ ...GATEWAY, [key]: "" });

  test("needs a certificate, addresses and API keys, all of which are named at once", () => {
    expect(fleetProblemsWith(GATEWAY)).toEqual([]);
    expect(fleetProblemsWith({ gatewayCount: "1" })).toEqual(
      [
        "apiKeySecretArn: expected a secret with API keys with gatewayCount 1, got nothing. Fix: pulumi config set apiKeySecretArn arn:aws:secretsmanager:…",
        "certificateArn: expected a certificate with gatewayCount 1, got nothing. Fix: pulumi config set certificateArn arn:aws:acm:…",
        "allowedCidrs: expected who may reach the load balancer, got nothing. Fix: pulumi config set allowedCidrs 203.0.113.0/24",
      ].map((line) => `Picture-Perfect-Challenge:${line}`),
    );
  });

  test.each([
    [{ gatewayCount: "51" }, 'gatewayCount: expected a whole number from 0 to 50, got "51"'],
    [{ gatewayCount: "-1" }, 'gatewayCount: expected a whole number from 0 to 50, got "-1"'],
    [without("apiKeySecretArn"), "apiKeySecretArn: expected a secret with API keys with gatewayCount 2, got nothing"],
    [
      { ...GATEWAY, certificateArn: GATEWAY.certificateArn.replace("us-east-1", "eu-west-1") },
      "certificateArn: expected an ARN of us-east-1, where the stack is",
    ],
    [{ ...GATEWAY, allowedCidrs: "0.0.0.0/0" }, "allowPublic: expected true with 0.0.0.0/0 in allowedCidrs"],
    [{ ...GATEWAY, requestTimeoutSeconds: "4000" }, "requestTimeoutSeconds: expected at most 3980"],
    [
      { ...GATEWAY, subnetIds: "subnet-0123456789abcdef0,subnet-0123456789abcdef1" },
      "albSubnetIds: expected two subnets in two zones, got 0",
    ],
    [
      { deletionProtection: "true" },
      "gatewayCount: expected 1 or more, until an update with deletionProtection false: AWS keeps the load balancer, got 0. Fix: pulumi config set gatewayCount 1",
    ],
  ])("%j", (raw, line) => {
    const found = fleetProblemsWith(raw as Record<string, string>);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(`Picture-Perfect-Challenge:${line}`);
  });

  test("that is turned off leaves its keys where they are", () => {
    expect(fleetProblemsWith({ ...GATEWAY, gatewayCount: "0" })).toEqual([]);
  });

  test("reads what the hosts do not: keys, names and origins are its alone", () => {
    const own = { allowedHosts: "images.example.com", corsOrigins: "*", pictureUrlSeconds: "3600" };
    const settings = fleetSettings({ ...GATEWAY, ...own });
    expect(hostSettings(settings)).toMatchObject({
      access: "ssm",
      apiKeySecretArn: null,
      certificateArn: null,
      allowedCidrs: [],
      allowedHosts: null,
      corsOrigins: null,
      pictureUrlSeconds: 0,
    });
    expect(gatewaySettings(settings)).toMatchObject({
      access: "alb",
      ...{ apiKeySecretArn: GATEWAY.apiKeySecretArn, certificateArn: GATEWAY.certificateArn },
      allowedHosts: "images.example.com",
      corsOrigins: "*",
      pictureUrlSeconds: 3600,
      hfTokenSecretArn: null,
    });
  });
});

test("variables whose key a fleet does not read may be in environment; those of its own keys may not", () => {
  expect(fleetProblemsWith({ environment: "IMAGE_GEN_QUEUE_LIMIT=3" })).toEqual([]);
  expect(fleetProblemsWith({ environment: "IMAGE_GEN_VERIFY=size" })[0]).toMatch(
    /environment: expected no IMAGE_GEN_VERIFY/,
  );
});

test("a host is one of a stack on AWS, on spot, with the fleet's own values", () => {
  const host = hostSettings(fleetSettings({ amiId: "ami-0123456789abcdef0", modelMirror: "s3://models/mirror" }));
  expect(host).toMatchObject({
    target: "aws",
    purchaseOption: "spot",
    ami: "ecs-gpu-al2023",
    amiId: "ami-0123456789abcdef0",
    modelMirror: "s3://models/mirror",
    selfHealing: false,
    access: "ssm",
    volumeId: null,
    subnetId: null,
  });
});
