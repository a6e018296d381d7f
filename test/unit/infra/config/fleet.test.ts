import { describe, expect, test } from "vitest";
import { hostSettings } from "../../../../infra/config/fleet/host-settings.ts";
import { fleetProblemsWith, fleetSettings } from "../../../support/fleet-settings.ts";

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
  ])("%j", (raw, line) => {
    expect(fleetProblemsWith(raw as Record<string, string>)).toEqual([`Picture-Perfect-Challenge:${line}`]);
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
    "apiKeySecretArn",
    "port",
    "queueLimit",
    "apiKey",
    "containerName",
  ])("%s is a key of another target", (key) => {
    const value = { volumeSizeGb: "90", selfHealing: "true", access: "alb", port: "8001", queueLimit: "3" }[key] ?? "x";
    const [line] = fleetProblemsWith({ [key]: value });
    expect(line).toBe(
      `Picture-Perfect-Challenge:${key}: expected no such key with target fleet, got "${value}". Fix: pulumi config rm ${key}`,
    );
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
