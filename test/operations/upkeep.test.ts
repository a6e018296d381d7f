/** Pinning, moving to another zone and the doctor, as they are typed, against AWS on loopback. */
import { join } from "node:path";
import { DescribeSnapshotsCommand, DescribeVolumesCommand, StopInstancesCommand } from "@aws-sdk/client-ec2";
import { describe, expect, test, vi } from "vitest";
import { withStackLock } from "../../cli/core/stack-lock.ts";
import { AMI, useAccount } from "../support/fakes/moto/account.ts";

const here = useAccount();

describe("pin", () => {
  test("writes the host's own image and nothing else", async () => {
    const before = here.operator.stackFile();
    const { stdout } = await here.operator.imagegen("pin");
    expect(stdout).toContain(`amiId=${AMI} (the host's own)`);
    expect(here.operator.stackFile()).toBe(`${before.trimEnd()}\n  Picture-Perfect-Challenge:amiId: ${AMI}\n`);
  });
});

describe("move-az", () => {
  test("as a dry run prints every step and changes nothing", async () => {
    const before = here.operator.stackFile();
    here.api.calls.length = 0;
    const { stdout, exitCode } = await here.operator.imagegen("move-az", "us-east-1c", "--dry-run");
    expect(exitCode).toBe(0);
    expect(stdout.split("\n")).toEqual([
      `1. stop the host ${here.instanceId}, so that the filesystem is consistent`,
      `2. make a snapshot of ${here.volumeId}`,
      "3. write availabilityZone=us-east-1c, volumeGeneration=2 and the snapshot into the stack's config",
      `4. imagegen up --stack aws-volume: a new volume and a new host in us-east-1c; ${here.volumeId} is kept`,
    ]);
    expect(here.api.calls.filter((call) => /^(Stop|Create|Start)/.test(call))).toEqual([]);
    expect(here.operator.stackFile()).toBe(before);
  });
  test.each([
    ["us-west-2a", /Expected a zone of us-east-1/],
    [
      "us-east-1e",
      /us-east-1e offers none of g6\.xlarge, g5\.xlarge, g4dn\.xlarge\. Fix: imagegen move-az us-east-1a --stack aws-volume, or one of us-east-1b/,
    ],
    ["mars", /Expected a zone such as us-east-1c/],
  ])("to %s is refused before anything changes", async (zone, reason) => {
    const { stderr, exitCode } = await here.operator.imagegen("move-az", zone, "--yes");
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(reason);
    expect(await here.stateOf(here.instanceId)).toBe("running");
  });
  test("resumes after an interruption", async () => {
    // The Pulumi of this test can't bring anything up: the move ends there.
    const first = await here.operator.imagegen("move-az", "us-east-1c", "--yes");
    expect(first.exitCode).not.toBe(0);
    expect(first.stderr).toContain("4/4 imagegen up");
    expect(await here.stateOf(here.instanceId)).toBe("stopped");
    const { Snapshots } = await here.ec2.send(
      new DescribeSnapshotsCommand({ Filters: [{ Name: "tag:imagegen:move-to", Values: ["us-east-1c"] }] }),
    );
    expect(Snapshots?.map(({ VolumeId }) => VolumeId)).toEqual([here.volumeId]);
    const file = here.operator.stackFile();
    expect(file).toContain("Picture-Perfect-Challenge:availabilityZone: us-east-1c\n");
    expect(file).toContain('Picture-Perfect-Challenge:volumeGeneration: "2"\n');
    expect(file).toContain(`Picture-Perfect-Challenge:volumeSnapshotId: ${Snapshots?.[0]?.SnapshotId}\n`);
    const again = await here.operator.imagegen("move-az", "us-east-1c", "--dry-run");
    expect(again.stdout).toBe(
      `1. imagegen up --stack aws-volume: a new volume and a new host in us-east-1c; ${here.volumeId} is kept`,
    );
    here.operator.restoreStackFile();
  });
  test("does not begin a second stack where the state is elsewhere", async () => {
    here.operator.noState();
    const { stderr, exitCode } = await here.operator.imagegen("move-az", "us-east-1c", "--yes");
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(
      /no stack aws-volume in the state at file:\/\/\/nowhere: nothing to move\. Fix: export PULUMI_BACKEND_URL=<.*>, and repeat/,
    );
  });
  test("waits for no other command on the stack, and is refused beside one", async () => {
    const stacks = join(here.operator.directory, ".imagegen/stacks");
    const beside = (...command: string[]) =>
      withStackLock({ stacks }, "aws-volume", "up", async () => here.operator.imagegen(...command));
    for (const command of [
      ["move-az", "us-east-1c"],
      ["volume", "restore", "snap-0123"],
    ]) {
      const { stderr, exitCode } = await beside(...command, "--yes");
      expect([exitCode, stderr]).toEqual([1, expect.stringContaining("Another command (up) works on the stack")]);
      expect((await beside(...command, "--dry-run")).exitCode).toBe(0);
    }
    expect(await here.stateOf(here.instanceId)).toBe("running");
  });
  test("asks for confirmation", async () => {
    const { exitCode } = await here.operator.imagegen("move-az", "us-east-1c");
    expect(exitCode).toBe(4);
    expect(await here.stateOf(here.instanceId)).toBe("running");
  });
});

describe("volume restore", () => {
  test("as a dry run prints the steps of a new volume in the present zone", async () => {
    const { stdout, exitCode } = await here.operator.imagegen("volume", "restore", "snap-0123", "--dry-run");
    expect([exitCode, stdout.split("\n")]).toEqual([
      0,
      [
        `1. stop the host ${here.instanceId}, so that the filesystem is consistent`,
        "2. write availabilityZone=us-east-1a, volumeGeneration=2 and the snapshot into the stack's config",
        `3. imagegen up --stack aws-volume: a new volume and a new host in us-east-1a; ${here.volumeId} is kept`,
      ],
    ]);
  });
  test("refuses what is no snapshot", async () => {
    const { stderr, exitCode } = await here.operator.imagegen("volume", "restore", "models.tar");
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining("Expected a snapshot such as snap-0123")]);
  });
});

describe("doctor", () => {
  test("checks the account; what AWS denies is unknown, not a failure", async () => {
    await here.report();
    const { stdout, exitCode } = await here.operator.imagegen("doctor");
    expect(stdout).toMatch(/^unknown {2}quota .*L-DB2E81BA.*servicequotas:GetServiceQuota/m);
    expect(stdout).toMatch(/^ok {6} offering .*g6\.xlarge, g5\.xlarge, g4dn\.xlarge in us-east-1a/m);
    expect(exitCode).toBe(stdout.includes("fail") ? 1 : 0);
  });
  test("fails for a quota without room for a host, as up does", async () => {
    await here.ec2.send(new StopInstancesCommand({ InstanceIds: [here.instanceId] }));
    here.api.quotas.set("L-DB2E81BA", 0);
    const { stdout, exitCode } = await here.operator.imagegen("doctor");
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^fail .*quota .*no room for one\. Fix: aws service-quotas request-service-quota-increase/m);
    // A shell's file of authorities is no reason to refuse a host in AWS.
    vi.stubEnv("SSL_CERT_FILE", import.meta.filename);
    const up = await here.operator.imagegen("up");
    vi.unstubAllEnvs();
    expect(up.exitCode).toBe(5);
    expect(up.stderr).toMatch(/quota: .*no room for one\. Fix: aws service-quotas/);
  });
  test("tells a first deployment which permissions are missing, by dry runs, and that Docker's engine does not answer", async () => {
    here.operator.state({});
    here.operator.docker("Cannot connect to the Docker daemon", 1);
    const message = "You are not authorized to perform this operation.";
    here.api.refusals.set("CreateVolume", { name: "UnauthorizedOperation", message, status: 403 });
    const { stdout, exitCode } = await here.operator.imagegen("doctor");
    here.operator.docker('{"ServerVersion":"28.0.0","DockerRootDir":""}');
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(
      /^fail .*permissions .*denied: ec2:CreateVolume\. Fix: allow ec2:CreateVolume for these credentials$/m,
    );
    expect(stdout).toMatch(/^fail .*docker .*engine is not running.*Fix: start Docker/m);
    expect(here.api.calls).toEqual(expect.arrayContaining(["RunInstances", "CreateVpc", "CreateSecurityGroup"]));
    const { Volumes } = await here.ec2.send(new DescribeVolumesCommand({}));
    expect(Volumes).toHaveLength(2);
  });
  test("tries by dry runs also what a NAT gateway and a self-healing group take", async () => {
    here.operator.addStack("healing", { network: "nat", selfHealing: "true" });
    here.operator.state({});
    const denied = {
      name: "UnauthorizedOperation",
      message: "You are not authorized to perform this operation.",
      status: 403,
    };
    for (const action of ["AllocateAddress", "CreateLaunchTemplate"]) here.api.refusals.set(action, denied);
    const { stdout, exitCode } = await here.operator.imagegenOf("healing", "doctor");
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(
      /^fail .*permissions .*denied: ec2:AllocateAddress, ec2:CreateLaunchTemplate\. Fix: allow /m,
    );
    const plain = await here.operator.imagegen("doctor");
    expect(plain.stdout).not.toMatch(/AllocateAddress|CreateLaunchTemplate/);
  });
  test("refuses a volume that the model does not fit on, before anything is made", async () => {
    here.operator.state({});
    const up = await here.operator.imagegen("up", "--config", "volumeSizeGb=5");
    expect(up.exitCode).toBe(5);
    expect(up.stderr).toMatch(/model: .*volumeSizeGb: expected \d+ or more, for this model, got 5\. Fix: imagegen up/);
    expect(here.api.calls).not.toContain("StartInstances");
  });
  test("with rejected credentials reports only them", async () => {
    here.api.refusals.set("GetCallerIdentity", {
      name: "ExpiredToken",
      message: "The security token included in the request is expired",
      status: 403,
    });
    const { stdout, exitCode } = await here.operator.imagegen("doctor");
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^fail .*credentials .*expired\. Fix: aws sso login/m);
    expect(stdout.match(/^fail/gm)).toHaveLength(1);
  });
});

test("of a self-healing host, stop and move-az name the page that says how to turn that off: an update alone fails", async () => {
  here.operator.addStack("healing", { selfHealing: "true" });
  for (const command of [["stop"], ["move-az", "us-east-1c", "--yes"]]) {
    const { stderr, exitCode } = await here.operator.imagegenOf("healing", ...command);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining("Fix: docs/guides/aws-network.md#self-healing")]);
  }
});

test("stop of a stack on this machine names the command to use there", async () => {
  const { stderr, exitCode } = await here.operator.imagegen("stop", "--stack", "local");
  expect(exitCode).toBe(2);
  expect(stderr).toContain("The stack local runs on this machine, not on a host in AWS. Fix: imagegen down");
});
