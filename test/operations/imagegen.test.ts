/** The commands of an operator, as they are typed, against AWS on loopback. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  PutLogEventsCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import {
  AttachVolumeCommand,
  CreateVolumeCommand,
  DescribeInstancesCommand,
  DescribeSnapshotsCommand,
  EC2Client,
  RunInstancesCommand,
  StopInstancesCommand,
} from "@aws-sdk/client-ec2";
import { PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { AwsApi } from "../support/aws-api/aws-api.ts";
import { Operator } from "../support/aws-api/operator.ts";
import { freePort } from "../support/engine.ts";
import { eventually } from "../support/wait.ts";

const AMI = "ami-0ca77a28d8801702a";
const GROUP = "/imagegen/aws-volume";
let api: AwsApi;
let operator: Operator;
let ec2: EC2Client;
let ssm: SSMClient;
let instanceId: string;
let volumeId: string;

beforeAll(async () => {
  api = await AwsApi.start();
  operator = new Operator(api);
  const endpoint = api.moto.url;
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  ec2 = new EC2Client({ region: "us-east-1", endpoint, credentials });
  ssm = new SSMClient({ region: "us-east-1", endpoint, credentials });
});

afterAll(() => {
  operator.remove();
  api.stop();
});

/** A host with its volume, as an `up` leaves them. */
beforeEach(async () => {
  await api.reset();
  const made = await ec2.send(
    new RunInstancesCommand({
      ImageId: AMI,
      InstanceType: "g6.xlarge",
      MinCount: 1,
      MaxCount: 1,
      Placement: { AvailabilityZone: "us-east-1a" },
      TagSpecifications: [
        {
          ResourceType: "instance",
          Tags: [
            { Key: "imagegen:project", Value: "Picture-Perfect-Challenge" },
            { Key: "imagegen:stack", Value: "aws-volume" },
          ],
        },
      ],
    }),
  );
  instanceId = made.Instances?.[0]?.InstanceId ?? "";
  const volume = await ec2.send(new CreateVolumeCommand({ AvailabilityZone: "us-east-1a", Size: 50 }));
  volumeId = volume.VolumeId ?? "";
  await ec2.send(new AttachVolumeCommand({ InstanceId: instanceId, VolumeId: volumeId, Device: "/dev/sdf" }));
  const names = { parameterPrefix: GROUP, logGroup: GROUP, containerName: "image-game-image-gen" };
  operator.outputs({
    target: "aws",
    url: "http://127.0.0.1:8000",
    instanceId,
    volumeId,
    availabilityZone: "us-east-1a",
    ...names,
  });
});

async function report(changes: object = {}): Promise<void> {
  const ready = {
    phase: "ready",
    bytes_done: 0,
    bytes_total: 0,
    eta_seconds: null,
    error: null,
    model: "org/model",
    revision: null,
    device: "cuda",
    source: "volume",
    phases: { load: 4.2 },
  };
  const record = {
    schema: 1,
    deployment: "d",
    instance: instanceId,
    at: new Date().toISOString(),
    phase: "ready",
    ready,
    error: null,
    log: [],
    ...changes,
  };
  const value = JSON.stringify(record);
  await ssm.send(new PutParameterCommand({ Name: `${GROUP}/ready`, Value: value, Type: "String", Overwrite: true }));
}

async function stateOf(id: string): Promise<string | undefined> {
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
  return Reservations?.[0]?.Instances?.[0]?.State?.Name;
}

describe("status", () => {
  test("tells host, service and volume", async () => {
    await report();
    const { stdout, exitCode } = await operator.imagegen("status");
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`host      ${instanceId}, g6.xlarge (on-demand) in us-east-1a, running`);
    expect(stdout).toContain("state     ready on cuda");
    expect(stdout).toContain("model     org/model");
    expect(stdout).toContain("start-up  load 4.2 s");
    expect(stdout).toContain(`volume    ${volumeId}, 50 GB in us-east-1a, in-use`);
  });
  test("tells how long a host has been silent, and a stopped one by its code", async () => {
    await report({ at: new Date(Date.now() - 600_000).toISOString() });
    expect((await operator.imagegen("status")).stdout).toMatch(/state {5}the host has not reported for 10 min/);
    await ec2.send(new StopInstancesCommand({ InstanceIds: [instanceId] }));
    const stopped = await operator.imagegen("status", "--json");
    expect(stopped.exitCode).toBe(6);
    expect(JSON.parse(stopped.stdout)).toMatchObject({ mode: "aws", running: false, host: { state: "stopped" } });
  });
  test("finds the host of an `up` that did not come to its end", async () => {
    operator.outputs({});
    expect(JSON.parse((await operator.imagegen("status", "--json")).stdout)).toMatchObject({
      host: { id: instanceId },
    });
  });
  test("no permission is one line that names what to grant", async () => {
    const message = "You are not authorized to perform: ec2:DescribeInstances";
    api.refusals.set("DescribeInstances", { name: "UnauthorizedOperation", message, status: 403 });
    const { stderr, exitCode } = await operator.imagegen("status");
    expect(exitCode).toBe(1);
    expect(stderr.trim()).toBe(
      "imagegen: looking for the host of the stack aws-volume: AWS does not allow it to these credentials (ec2:DescribeInstances)",
    );
  });
});

describe("stop and start", () => {
  test("stop ends with a stopped host", async () => {
    const { stdout, exitCode } = await operator.imagegen("stop");
    expect([exitCode, stdout]).toEqual([0, `${instanceId} is stopped: imagegen start --stack aws-volume`]);
    expect(await stateOf(instanceId)).toBe("stopped");
  });
  test("start waits for a report that is newer than itself", async () => {
    await report();
    await operator.imagegen("stop");
    api.calls.length = 0;
    const starting = operator.imagegen("start", "--json");
    await eventually("the host to be started", async () => api.calls.includes("StartInstances"), 60);
    await sleep(1500);
    await report();
    const { stdout, exitCode } = await starting;
    expect(exitCode).toBe(0);
    const told = JSON.parse(stdout) as { seconds: number };
    expect(told).toMatchObject({ host: instanceId, ready: true, model: "org/model" });
    expect(told.seconds).toBeGreaterThan(1.4);
    expect(await stateOf(instanceId)).toBe("running");
  });
  test("a host that fails says why, with the end of its log", async () => {
    await report({
      at: new Date(Date.now() + 3_600_000).toISOString(),
      phase: "failed",
      ready: null,
      error: "no such disk",
      log: ["one", "two"],
    });
    const { stderr, exitCode } = await operator.imagegen("start");
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`imagegen: The service on ${instanceId} failed: no such disk\n  one\n  two`);
  });
  test("capacity refused is one line, soon", async () => {
    await operator.imagegen("stop");
    const message = "We currently do not have sufficient g6.xlarge capacity in the Availability Zone you requested.";
    api.refusals.set("StartInstances", { name: "InsufficientInstanceCapacity", message });
    const { stderr, exitCode } = await operator.imagegen("start");
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /AWS has no g6\.xlarge \(on demand\) in us-east-1a now \(InsufficientInstanceCapacity\)\. The cache is safe\. Fix: .*move-az/,
    );
  });
});

test("logs: the last lines, in the order of time", async () => {
  const logs = new CloudWatchLogsClient({
    region: "us-east-1",
    endpoint: api.moto.url,
    credentials: { accessKeyId: "t", secretAccessKey: "t" },
  });
  await logs.send(new CreateLogGroupCommand({ logGroupName: GROUP }));
  const put = async (stream: string, ...lines: [number, string][]) => {
    await logs.send(new CreateLogStreamCommand({ logGroupName: GROUP, logStreamName: stream }));
    const logEvents = lines.map(([ago, message]) => ({ timestamp: Date.now() - ago, message }));
    await logs.send(new PutLogEventsCommand({ logGroupName: GROUP, logStreamName: stream, logEvents }));
  };
  await put("host", [3_000_000, "long ago"], [3000, "host first"], [1000, "host last"]);
  await put("container", [2000, "container between"]);
  expect((await operator.imagegen("logs", "-n", "3")).stdout).toBe("host first\ncontainer between\nhost last");
  expect((await operator.imagegen("logs")).stdout).toMatch(/^long ago\n/);
});

describe("open", () => {
  test("without AWS's plugin is one line on where it comes from", async () => {
    operator.program("aws", "exit 0");
    const { stderr, exitCode } = await operator.imagegen("open");
    expect(exitCode).toBe(5);
    expect(stderr).toMatch(/^imagegen: session-manager-plugin is not installed\. Fix: https:/);
  });

  test("leads to the host until Ctrl-C, and leaves nothing behind", async () => {
    const port = await freePort();
    operator.program("session-manager-plugin", "exit 0");
    const server = `require("node:http").createServer((_, r) => r.end(process.argv.slice(1).join(" "))).listen(${port}, "127.0.0.1")`;
    operator.program("aws", `[ "$1" = --version ] && exit 0\nexec ${process.execPath} -e '${server}' -- "$@"`);
    const open = operator.imagegen("open", "--port", String(port));
    const shown = once(open.stdout, "data");
    const url = `http://127.0.0.1:${port}`;
    await eventually("the tunnel", async () => (await fetch(url)).ok, 60);
    const words = await (await fetch(url)).text();
    expect(words).toContain(`ssm start-session --target ${instanceId} --region us-east-1`);
    expect(words).toContain(`{"portNumber":["8000"],"localPortNumber":["${port}"]}`);
    await shown;
    open.kill("SIGINT");
    const { exitCode, stdout } = await open;
    expect([exitCode, stdout]).toEqual([130, url]);
    await expect(fetch(url)).rejects.toThrow();
  });

  test("a tunnel that can't be opened says why", async () => {
    operator.program("session-manager-plugin", "exit 0");
    operator.program(
      "aws",
      '[ "$1" = --version ] && exit 0\necho "An error occurred (TargetNotConnected)" >&2; exit 254',
    );
    const { stderr, exitCode } = await operator.imagegen("open", "--port", String(await freePort()));
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`The tunnel to ${instanceId} has ended: An error occurred (TargetNotConnected).`);
  });
});

describe("cache", () => {
  /** `docker` on the host: one container runs; `image-gen` in it says what it was asked, and ends as asked. */
  const docker = (running: string, imageGen: string) => {
    operator.hostAnswers();
    operator.hostProgram(
      "docker",
      `if [ "$1" = ps ]; then echo '${running}'; exit; fi\n[ "$1 $2 $3 $4" = "exec -i image-game-image-gen image-gen" ] || exit 99\nshift 4\n${imageGen}`,
    );
  };

  test("status is the container's own answer, whatever its length", async () => {
    const models = Array.from({ length: 400 }, (_, index) => ({
      id: `org/model-${index}`,
      revision: null,
      bytes: index,
      files: 1,
      complete: true,
      source: "volume",
    }));
    const mount = { path: "/data", is_mount: true, filesystem: "xfs", bytes_total: 5e10, bytes_free: 4e10 };
    const status = { hf_home: "/data/huggingface", hub_cache: "/data/huggingface/hub", mount, models, bytes: 1 };
    operator.hostProgram("answer", `cat <<'END'\n${JSON.stringify(status)}\nEND`);
    docker("abc", `[ "$*" = "status --json" ] || exit 99; answer`);
    const { stdout, exitCode } = await operator.imagegen("cache", "status", "--json");
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual(status);
  });
  test("an exit code is passed on", async () => {
    docker("abc", 'echo damaged; echo "hashing" >&2; exit 3');
    const { stdout, stderr, exitCode } = await operator.imagegen("cache", "verify");
    expect([exitCode, stdout]).toEqual([3, "damaged"]);
    expect(stderr).toContain("hashing");
  });
  test("words reach the container as they were typed", async () => {
    docker("abc", 'printf "%s|" "$@"');
    const { stdout } = await operator.imagegen(
      "cache",
      "prefetch",
      "--model",
      "org/it's",
      "--revision",
      "$(id) {{ssm:x}}",
    );
    expect(stdout).toBe("prefetch|--model|org/it's|--revision|$(id) {{ssm:x}}|");
  });
  test("a container that does not run is a code of its own", async () => {
    docker("", "exit 0");
    const { stderr, exitCode } = await operator.imagegen("cache", "status");
    expect(exitCode).toBe(6);
    expect(stderr).toContain(`The container image-game-image-gen does not run on ${instanceId}`);
  });
  test("clear asks, deletes and restarts", async () => {
    operator.hostProgram("systemctl", `echo "$@" >>${operator.directory}/restarts`);
    const removed = JSON.stringify({ removed: [{ id: "a/b", bytes: 2e9, in_use: true }], bytes: 2e9 });
    docker("abc", `echo "$@" >>${operator.directory}/asked; echo '${removed}'`);
    const { stdout, exitCode } = await operator.imagegen("cache", "clear", "--yes", "--restart");
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining("deleted a/b (2 GB)")]);
    expect(readFileSync(`${operator.directory}/asked`, "utf8")).toContain("clear --all --yes --force --json");
    expect(readFileSync(`${operator.directory}/restarts`, "utf8")).toBe("restart image-gen.service\n");
  });
});

describe("backups", () => {
  const s3 = (aws: string) => {
    operator.hostAnswers();
    operator.hostProgram(
      "docker",
      `if [ "$1" = ps ]; then echo abc; exit; fi\nif [ "$5" = backup ]; then echo "tar $6 $7 $8"; else echo "restored $(cat)"; fi`,
    );
    operator.hostProgram("aws", aws);
  };

  test("stream to S3 and from it, on the host", async () => {
    s3(
      `if [ "$2" = ls ]; then echo "2026-11-22 12:00:00 $(wc -c <${operator.directory}/object) models.tar.zst"; elif [ "$3" = - ]; then cat >${operator.directory}/object; else cat ${operator.directory}/object; fi`,
    );
    const { stdout, exitCode } = await operator.imagegen("cache", "backup", "s3://bucket/models.tar.zst");
    expect([exitCode, stdout]).toEqual([0, "s3://bucket/models.tar.zst: 22 B"]);
    const restored = await operator.imagegen("cache", "restore", "s3://bucket/models.tar.zst");
    expect(restored.stdout).toBe("restored tar --output - --zstd");
  });
  test("a role without the right is told what to grant", async () => {
    s3(
      'cat >/dev/null; echo "upload failed: An error occurred (AccessDenied) when calling the CreateMultipartUpload operation" >&2; exit 1',
    );
    const { stderr, exitCode } = await operator.imagegen("cache", "backup", "s3://bucket/models.tar");
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/The host's role may not use s3:\/\/bucket\/models\.tar\. Fix: grant s3:PutObject/);
  });
  test.each([["models.tar"], ["s3://bucket"], ["s3://bucket/"], ["s3://bucket/a b"], ["-"]])(
    "%s is no place",
    async (place) => {
      const { stderr, exitCode } = await operator.imagegen("cache", "backup", place);
      expect(exitCode).toBe(2);
      expect(stderr).toMatch(/expected s3:\/\/<bucket>\/<name>\.tar, got .*--snapshot/);
    },
  );
  test("a snapshot is waited for", async () => {
    const { stdout, exitCode } = await operator.imagegen("cache", "backup", "--snapshot");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(new RegExp(`^snap-[0-9a-f]+: a snapshot of ${volumeId}$`));
    const { Snapshots } = await ec2.send(
      new DescribeSnapshotsCommand({ Filters: [{ Name: "volume-id", Values: [volumeId] }] }),
    );
    expect(Snapshots?.[0]?.Tags).toContainEqual({ Key: "imagegen:stack", Value: "aws-volume" });
  });
});

describe("pin", () => {
  test("writes the host's own image, and nothing else changes", async () => {
    const before = operator.stackFile();
    const { stdout } = await operator.imagegen("pin");
    expect(stdout).toContain(`amiId=${AMI} (what the host was made from)`);
    expect(operator.stackFile()).toBe(`${before.trimEnd()}\n  Picture-Perfect-Challenge:amiId: ${AMI}\n`);
  });
});

describe("move-az", () => {
  test("a dry run changes nothing and says every step", async () => {
    const before = operator.stackFile();
    api.calls.length = 0;
    const { stdout, exitCode } = await operator.imagegen("move-az", "us-east-1c", "--dry-run");
    expect(exitCode).toBe(0);
    expect(stdout.split("\n")).toEqual([
      `1. stop the host ${instanceId}, so that the filesystem is whole`,
      `2. make a snapshot of ${volumeId}`,
      "3. write availabilityZone=us-east-1c, volumeGeneration=2 and the snapshot into the stack's config",
      `4. imagegen up: a new volume and a new host in us-east-1c; ${volumeId} is kept`,
    ]);
    expect(api.calls.filter((call) => /^(Stop|Create|Start)/.test(call))).toEqual([]);
    expect(operator.stackFile()).toBe(before);
  });
  test.each([
    ["us-west-2a", /expected a zone of us-east-1/],
    ["us-east-1e", /us-east-1e offers none of g6\.xlarge, g5\.xlarge, g4dn\.xlarge\. Fix: one of us-east-1a/],
    ["mars", /expected a zone such as us-east-1c/],
  ])("%s is refused before anything is done", async (zone, reason) => {
    const { stderr, exitCode } = await operator.imagegen("move-az", zone, "--yes");
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(reason);
    expect(await stateOf(instanceId)).toBe("running");
  });
  test("goes on where it broke off", async () => {
    // The Pulumi of this test can't bring anything up: the move ends there.
    const first = await operator.imagegen("move-az", "us-east-1c", "--yes");
    expect(first.exitCode).not.toBe(0);
    expect(first.stderr).toContain("4/4 imagegen up");
    expect(await stateOf(instanceId)).toBe("stopped");
    const { Snapshots } = await ec2.send(
      new DescribeSnapshotsCommand({ Filters: [{ Name: "tag:imagegen:move-to", Values: ["us-east-1c"] }] }),
    );
    expect(Snapshots?.map(({ VolumeId }) => VolumeId)).toEqual([volumeId]);
    const file = operator.stackFile();
    expect(file).toContain("Picture-Perfect-Challenge:availabilityZone: us-east-1c\n");
    expect(file).toContain('Picture-Perfect-Challenge:volumeGeneration: "2"\n');
    expect(file).toContain(`Picture-Perfect-Challenge:volumeSnapshotId: ${Snapshots?.[0]?.SnapshotId}\n`);
    const again = await operator.imagegen("move-az", "us-east-1c", "--dry-run");
    expect(again.stdout).toBe(`1. imagegen up: a new volume and a new host in us-east-1c; ${volumeId} is kept`);
    operator.restoreStackFile();
  });
  test("asks first", async () => {
    const { exitCode } = await operator.imagegen("move-az", "us-east-1c");
    expect(exitCode).toBe(4);
    expect(await stateOf(instanceId)).toBe("running");
  });
});

describe("doctor", () => {
  test("looks at the account; what AWS would not tell is unknown, and no failure", async () => {
    await report();
    const { stdout, exitCode } = await operator.imagegen("doctor");
    expect(stdout).toMatch(/^unknown {2}quota .*L-DB2E81BA.*servicequotas:GetServiceQuota/m);
    expect(stdout).toMatch(/^ok {6} offering .*g6\.xlarge, g5\.xlarge, g4dn\.xlarge in us-east-1a/m);
    expect(exitCode).toBe(stdout.includes("fail") ? 1 : 0);
  });
  test("a quota of nothing for a first host is a failure with its mend, before up as in doctor", async () => {
    await ec2.send(new StopInstancesCommand({ InstanceIds: [instanceId] }));
    api.quotas.set("L-DB2E81BA", 0);
    const { stdout, exitCode } = await operator.imagegen("doctor");
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^fail .*quota .*no room for one\. Fix: aws service-quotas request-service-quota-increase/m);
    const up = await operator.imagegen("up");
    expect(up.exitCode).toBe(5);
    expect(up.stderr).toMatch(/quota: .*no room for one\. Fix: aws service-quotas/);
  });
  test("credentials that are refused are the first and only thing to mend", async () => {
    api.refusals.set("GetCallerIdentity", {
      name: "ExpiredToken",
      message: "The security token included in the request is expired",
      status: 403,
    });
    const { stdout, exitCode } = await operator.imagegen("doctor");
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^fail .*credentials .*expired\. Fix: aws sso login/m);
    expect(stdout.match(/^fail/gm)).toHaveLength(1);
  });
});

test("commands for AWS say so on another stack", async () => {
  const { stderr, exitCode } = await operator.imagegen("stop", "--stack", "local");
  expect(exitCode).toBe(2);
  expect(stderr).toContain("The stack local runs on this machine, not in AWS.");
});
