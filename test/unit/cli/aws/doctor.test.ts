import { describe, expect, test } from "vitest";
import type { Host, InstanceTypeSpecs } from "../../../../cli/targets/aws/client/ec2-models.ts";
import { runAwsChecks } from "../../../../cli/targets/aws/doctor/checks.ts";
import { cudaIn, driverFor } from "../../../../cli/targets/aws/doctor/drivers.ts";
import type { AwsFacts } from "../../../../cli/targets/aws/doctor/inspect.ts";
import { modelProblems } from "../../../../infra/plan/aws/plan.ts";
import { chooseZone, type Offerings, otherZones } from "../../../../infra/plan/aws/zone.ts";
import { planRoom } from "../../../../infra/plan/room.ts";
import type { HostStatus } from "../../../../infra/readiness/host-status.ts";
import { awsPlanWith, awsSettings } from "../../../support/aws-settings.ts";
import { manifest } from "../../../support/settings.ts";

const known = <T>(value: T) => ({ known: true, value }) as const;
const denied = { known: false, reason: { message: "access denied: these credentials lack ec2:DescribeX" } } as const;
const now = Date.parse("2026-11-22T12:00:00Z");
const type = (changes: Partial<InstanceTypeSpecs> = {}): InstanceTypeSpecs => ({
  type: "g6.xlarge",
  vcpus: 4,
  gpuMemoryMib: 22_888,
  ebsBaselineMbps: 125,
  ebsMaximumMbps: 625,
  ...changes,
});
const host: Host = {
  id: "i-1",
  type: "g6.xlarge",
  state: "running",
  market: "on-demand",
  zone: "us-east-1a",
  ami: "ami-1",
  launchedAt: "2026-11-22T10:00:00.000Z",
  reason: "",
};
const volume = { id: "vol-1", state: "in-use", zone: "us-east-1a", sizeGb: 50, attachedTo: "i-1", madeFrom: null };
const status: HostStatus = {
  deployment: "d",
  instance: "i-1",
  at: "2026-11-22T11:59:30Z",
  phase: "ready",
  ready: null,
  error: null,
  log: [],
};
const ROOM = planRoom({
  modelCache: "volume",
  startupEstimate: { modelBytes: 0, modelBytesSource: "manifest", loraBytes: 0 },
});
const modelProblemsOf = (raw: Record<string, string>) => modelProblems(awsSettings(raw), awsPlanWith(raw), manifest);

/** What EC2 tells, chosen from as `doctor` does. */
const place = (zone: string | null, offers: Offerings, hasVolume = false): AwsFacts["place"] => {
  const wish = {
    stack: "aws-volume",
    region: "us-east-1",
    types: ["g6.xlarge"],
    zone,
    hasVolume,
    gpuMemoryMib: 12_288,
  };
  const zones = ["us-east-1a", "us-east-1b"];
  return known({ choice: chooseZone(wish, offers, zones), otherZones: otherZones(wish, offers, zones) });
};
const healthy: AwsFacts = {
  stack: "aws-volume",
  region: "us-east-1",
  stateRegion: "us-east-1",
  stateProblem: null,
  requirements: {
    instanceTypes: ["g6.xlarge"],
    pinnedInstanceType: null,
    purchaseOption: "on-demand",
    pinnedPurchaseOption: null,
    replacement: "create-first",
    ami: "ecs-gpu-al2023",
    amiId: null,
    access: "ssm",
    volumeThroughputMb: 300,
    gpuMemoryMib: 12_288,
    rootSizeGb: 60,
    rootNeededGb: 60,
  },
  candidates: [{ type: "g6.xlarge", market: "on-demand" }],
  caller: known({ account: "1", arn: "arn:aws:iam::1:user/x" }),
  types: known([type()]),
  place: place(null, { "g6.xlarge": ["us-east-1a", "us-east-1b"] }),
  quotas: [{ name: "G", code: "L-DB2E81BA", market: "on-demand", limit: known(8), used: known(4), families: ["g"] }],
  host: known(host),
  volume: known(volume),
  hostStatus: known(status),
  cuda: "13.2",
  driver: { fits: true, driver: 580, needed: 580, seen: "today" },
  engine: { ok: true, version: "28.0.0", rootDir: "/var/lib/docker", runtimes: [] },
  hasBuildx: true,
  room: { free: 50e9, room: { bytes: 17e9, parts: [], buildBytes: 16e9, assumedBytes: 0 } },
  isFirst: true,
  permissions: [{ action: "ec2:RunInstances", allowed: true }],
  problems: [],
  modelProblem: undefined,
  missingTunnelTools: [],
  now,
};
const wish = (changes: Partial<AwsFacts["requirements"]>) => ({
  requirements: { ...healthy.requirements, ...changes },
});
const quota = (limit: number, used: number, changes: Partial<AwsFacts> = {}) => ({
  ...changes,
  quotas: [{ ...healthy.quotas[0], limit: known(limit), used: known(used) }] as AwsFacts["quotas"],
});
const noHost: Partial<AwsFacts> = { host: known(undefined), volume: known(undefined), hostStatus: known(null) };

test("a running stack passes every check", () => {
  const checks = runAwsChecks(healthy);
  expect(checks.filter(({ status: result }) => result !== "ok")).toEqual([]);
  expect(checks.map(({ id }) => id)).toEqual([
    "credentials",
    "types",
    "offering",
    "quota",
    "gpu",
    "ebs",
    "driver",
    "root-disk",
    "permissions",
    "docker",
    "buildx",
    "disk",
    "tunnel",
    "host",
    "volume",
    "service",
  ]);
});

describe("each check", () => {
  test.each<[string, Partial<AwsFacts>, string, string, RegExp, RegExp?]>([
    [
      "no credentials",
      { caller: { known: false, reason: { message: "no AWS credentials were found.", fix: "aws configure sso" } } },
      "credentials",
      "fail",
      /were found/,
      /configure sso/,
    ],
    [
      "a type that does not exist",
      { candidates: [{ type: "g99.xlarge", market: "on-demand" }], types: known([]) },
      "types",
      "fail",
      /g99\.xlarge does not exist/,
      /instanceTypes=/,
    ],
    ["types denied", { types: denied }, "types", "unknown", /access denied/],
    [
      "not offered in the zone",
      { place: place("us-east-1a", { "g6.xlarge": ["us-east-1b"] }, true) },
      "offering",
      "fail",
      /^.*:availabilityZone: expected a zone that offers one of g6\.xlarge: us-east-1b, got us-east-1a$/,
      /^imagegen move-az us-east-1b --stack aws-volume$/,
    ],
    [
      "not offered in the zone of config, before there is a volume",
      { place: place("us-east-1a", { "g6.xlarge": ["us-east-1b"] }) },
      "offering",
      "fail",
      /got us-east-1a$/,
      /^imagegen up --stack aws-volume --config availabilityZone=us-east-1b$/,
    ],
    ["offers denied", { place: denied }, "offering", "unknown", /access denied/],
    [
      "offered nowhere",
      { place: place(null, {}) },
      "offering",
      "fail",
      /instanceTypes: expected a type that us-east-1 offers, got g6\.xlarge/,
      /aws:region=/,
    ],
    [
      "offered nowhere, where another type is",
      { place: place(null, { "g4dn.xlarge": ["us-east-1b"], "g6f.large": ["us-east-1b"] }) },
      "offering",
      "fail",
      /a type that us-east-1 offers/,
      /instanceTypes=g4dn\.xlarge$/,
    ],
    [
      "any zone will do",
      { place: place(null, { "g6.xlarge": ["us-east-1b"] }) },
      "offering",
      "ok",
      /^g6\.xlarge in us-east-1b$/,
    ],
    [
      "a quota of nothing",
      quota(0, 0, noHost),
      "quota",
      "fail",
      /no room for one/,
      /request-service-quota-increase .* L-DB2E81BA --desired-value 8/,
    ],
    ["a quota for one, create-first", quota(4, 0, noHost), "quota", "warn", /second host/, /replacement=delete-first/],
    [
      "a quota for one, delete-first",
      { ...quota(4, 0, noHost), ...wish({ replacement: "delete-first" }) },
      "quota",
      "ok",
      /4 vCPUs, 0 in use/,
    ],
    ["a full quota with our host in it", quota(4, 4), "quota", "warn", /second host/, /--desired-value 8/],
    ["a quota that others have used up", quota(8, 8, noHost), "quota", "fail", /no room/, /--desired-value 16/],
    [
      "quota denied",
      { quotas: [{ ...healthy.quotas[0], limit: denied }] as AwsFacts["quotas"] },
      "quota",
      "unknown",
      /L-DB2E81BA.*access denied/,
    ],
    [
      "a quota without a value",
      { quotas: [{ ...healthy.quotas[0], limit: known(null) }] as AwsFacts["quotas"] },
      "quota",
      "unknown",
      /reports no value/,
    ],
    [
      "a part of a GPU",
      { types: known([type({ type: "g6f.xlarge", gpuMemoryMib: 2861 })]) },
      "gpu",
      "fail",
      /g6f\.xlarge has 2\.8 GiB.*needs 12 GiB/,
      /instanceTypes=/,
    ],
    [
      "no GPU",
      { ...wish({ gpuMemoryMib: 0 }), types: known([type({ gpuMemoryMib: 0 })]) },
      "gpu",
      "fail",
      /no NVIDIA GPU/,
      /instanceTypes=/,
    ],
    [
      "more throughput than the host can take",
      wish({ volumeThroughputMb: 1000 }),
      "ebs",
      "warn",
      /more than the host can use/,
      /volumeThroughputMb=596/,
    ],
    [
      "as much as the host sustains",
      { types: known([type({ ebsBaselineMbps: 500 })]) },
      "ebs",
      "ok",
      /sustains 500 MB\/s; the volume 300/,
    ],
    ["a driver that is not in the table", { driver: null }, "driver", "unknown", /not in the table/],
    [
      "a driver too old for the image",
      { driver: { fits: false, driver: 535, needed: 580, seen: "today" } },
      "driver",
      "fail",
      /has driver 535 .* needs 580/,
      /ami=ecs-gpu-al2023/,
    ],
    ["a root disk that is too small", wish({ rootSizeGb: 30 }), "root-disk", "fail", /need 60 GB/, /rootSizeGb=60/],
    [
      "Docker whose engine does not answer",
      { engine: { ok: false, reason: { message: "The Docker engine is not running.", fix: "start Docker Desktop" } } },
      "docker",
      "fail",
      /not running/,
      /start Docker/,
    ],
    [
      "a disk that is too small for the build",
      { room: { free: 9e9, room: ROOM } },
      "disk",
      "fail",
      /9 GB free; the build needs 15\.9 GB \(the image 4\.63 GB/,
      /docker image prune/,
    ],
    [
      "such a disk, for a stack that was ready once",
      { room: { free: 9e9, room: ROOM }, isFirst: false },
      "disk",
      "warn",
      /9 GB free/,
      /docker image prune/,
    ],
    [
      "a right that is missing",
      {
        permissions: [
          { action: "ec2:RunInstances", allowed: false },
          { action: "ec2:CreateVpc", allowed: true },
        ],
      },
      "permissions",
      "fail",
      /denied: ec2:RunInstances\.$/,
      /^allow ec2:RunInstances for/,
    ],
    [
      "a dry run that tells nothing",
      { permissions: [{ action: "ec2:RunInstances", allowed: null }] },
      "permissions",
      "unknown",
      /nothing of ec2:RunInstances/,
    ],
    [
      "a volume that is too small for the model",
      { problems: modelProblemsOf({ volumeSizeGb: "5" }) },
      "model",
      "fail",
      /volumeSizeGb: expected 11 or more, for this model, got 5$/,
      /^imagegen up --stack aws-volume --config volumeSizeGb=11$/,
    ],
    [
      "a gated model without a token",
      { modelProblem: { message: "x is gated", fix: "accept" } },
      "model",
      "fail",
      /gated/,
      /accept/,
    ],
    [
      "a state that can't be read",
      { stateProblem: { message: "The state of the stack aws-volume can't be read: no such bucket" } },
      "state",
      "fail",
      /no such bucket$/,
      /PULUMI_BACKEND_URL/,
    ],
    [
      "a stack of another region",
      { stateRegion: "eu-west-1" },
      "state",
      "fail",
      /resources are in eu-west-1, its config names us-east-1/,
      /aws:region=eu-west-1 --stack aws-volume; for another stack: imagegen up --config target=aws --config aws:region=us-east-1 --stack <name>$/,
    ],
    ["no buildx", { hasBuildx: false }, "buildx", "fail", /not installed/, /docs\.docker\.com/],
    [
      "no plugin",
      { missingTunnelTools: ["session-manager-plugin"] },
      "tunnel",
      "warn",
      /open --stack aws-volume needs session-manager-plugin/,
      /session-manager-working/,
    ],
    ["no host", noHost, "host", "ok", /none yet/],
    ["a stopped host", { host: known({ ...host, state: "stopped" }) }, "host", "warn", /stopped/, /imagegen start/],
    [
      "a detached volume",
      { volume: known({ ...volume, attachedTo: null }) },
      "volume",
      "fail",
      /not attached to the host i-1/,
      /imagegen up/,
    ],
    [
      "a host without heartbeat",
      { hostStatus: known({ ...status, at: "2026-11-22T11:50:00Z" }) },
      "service",
      "fail",
      /last heartbeat 10 min ago/,
      /imagegen logs/,
    ],
    [
      "another host's status",
      { hostStatus: known({ ...status, instance: "i-0" }) },
      "service",
      "fail",
      /another host, i-0/,
      /logs/,
    ],
    [
      "a failed service",
      { hostStatus: known({ ...status, phase: "failed", error: "no disk" }) },
      "service",
      "fail",
      /^no disk/,
      /logs/,
    ],
    [
      "a service that is starting",
      { hostStatus: known({ ...status, phase: "pulling" }) },
      "service",
      "ok",
      /^pulling$/,
    ],
    [
      "a ready service whose host reports an error",
      { hostStatus: known({ ...status, phase: "ready", error: "the secret can not be read" }) },
      "service",
      "warn",
      /^ready, .*; the secret can not be read$/,
      /logs --host/,
    ],
    ["a host status that is denied", { hostStatus: denied }, "service", "unknown", /access denied/],
  ])("%s", (_, changes, id, result, message, fix) => {
    const [found, ...more] = runAwsChecks({ ...healthy, ...changes }).filter((check) => check.id === id);
    expect(more).toEqual([]);
    expect(found).toMatchObject({ status: result, message: expect.stringMatching(message) as string });
    if (fix) expect(found?.fix).toMatch(fix);
    else expect(found?.fix).toBeUndefined();
  });

  test("a market without a quota is no failure when the other has room", () => {
    const candidates = [
      { type: "g6.xlarge", market: "spot" as const },
      { type: "g6.xlarge", market: "on-demand" as const },
    ];
    const spot = {
      name: "Spot",
      code: "L-3819A6DF",
      families: ["g"],
      market: "spot" as const,
      limit: known(0),
      used: known(0),
    };
    const statuses = (limit: number) =>
      runAwsChecks({
        ...healthy,
        ...noHost,
        candidates,
        quotas: [spot, { ...healthy.quotas[0], limit: known(limit), used: known(0) }] as AwsFacts["quotas"],
      })
        .filter(({ id }) => id === "quota")
        .map(({ status: result }) => result);
    expect(statuses(8)).toEqual(["warn", "ok"]);
    expect(statuses(0)).toEqual(["fail", "fail"]);
  });
});

test("every failed check has a fix", () => {
  const worst: AwsFacts = {
    ...healthy,
    ...quota(0, 0, noHost),
    ...wish({ rootSizeGb: 30, volumeThroughputMb: 1000 }),
    types: known([type({ gpuMemoryMib: 2861 })]),
    place: place(null, {}),
    hasBuildx: false,
  };
  const failures = runAwsChecks(worst).filter(({ status: result }) => result === "fail");
  expect(failures.length).toBeGreaterThan(4);
  for (const { fix } of failures) expect(fix).toBeTruthy();
});

test.each([
  ["nvidia-cuda-runtime==13.2.86 ; sys_platform == 'linux' \\", "13.2"],
  ["nvidia-cuda-runtime-cu12==12.8.90 \\", "12.8"],
  ["torch==2.0.0", null],
])("CUDA in %s is %s", (lock, cuda) => {
  expect(cudaIn(`a==1\n${lock}\n`)).toBe(cuda);
});

test.each([
  ["ecs-gpu-al2023", "13.2", true],
  ["ecs-gpu-al2023", "12.8", true],
  ["dlami-ubuntu-24.04", "13.2", true],
  ["ecs-gpu-al2023", "14.0", null],
  ["another", "13.2", null],
])("%s with CUDA %s fits: %s", (ami, cuda, fits) => {
  expect(driverFor(ami, cuda)?.fits ?? null).toBe(fits);
});
