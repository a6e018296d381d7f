/** Status, logs, the tunnel, stop and start, as they are typed, against AWS on loopback. */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  PutLogEventsCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import { StopInstancesCommand, TerminateInstancesCommand } from "@aws-sdk/client-ec2";
import { describe, expect, test } from "vitest";
import { DEFAULT_MODEL_ID } from "../../infra/contract.ts";
import { freePort } from "../support/engine.ts";
import { GROUP, useAccount } from "../support/fakes/moto/account.ts";
import { eventually } from "../support/wait.ts";

const here = useAccount();

describe("status", () => {
  test("shows the host, the service and the volume", async () => {
    await here.report();
    const { stdout, exitCode } = await here.operator.imagegen("status");
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`host      ${here.instanceId}, g6.xlarge (on-demand) in us-east-1a, running`);
    expect(stdout).toContain("state     ready on cuda");
    expect(stdout).toContain(`model     ${DEFAULT_MODEL_ID}`);
    expect(stdout).toContain("start-up  load 4.2 s");
    expect(stdout).toContain(`volume    ${here.volumeId}, 50 GB in us-east-1a, in-use`);
  });
  test("shows the age of an old heartbeat, and ends with exit code 6 for a stopped host", async () => {
    await here.report({ at: new Date(Date.now() - 600_000).toISOString() });
    expect((await here.operator.imagegen("status")).stdout).toMatch(/state {5}last heartbeat 10 min .*ago/);
    await here.ec2.send(new StopInstancesCommand({ InstanceIds: [here.instanceId] }));
    const stopped = await here.operator.imagegen("status", "--json");
    expect(stopped.exitCode).toBe(6);
    expect(JSON.parse(stopped.stdout)).toMatchObject({ mode: "aws", running: false, host: { state: "stopped" } });
  });
  test("finds the host of an `up` that did not finish", async () => {
    here.operator.state({});
    expect(JSON.parse((await here.operator.imagegen("status", "--json")).stdout)).toMatchObject({
      host: { id: here.instanceId },
    });
  });
  test("names the missing permission in one line", async () => {
    const message = "You are not authorized to perform: ec2:DescribeInstances";
    here.api.refusals.set("DescribeInstances", { name: "UnauthorizedOperation", message, status: 403 });
    const { stderr, exitCode } = await here.operator.imagegen("status");
    expect(exitCode).toBe(1);
    expect(stderr.trim()).toBe(
      "imagegen: looking for the host of the stack aws-volume: access denied: these credentials lack ec2:DescribeInstances",
    );
  });
});

describe("stop and start", () => {
  test("stop returns when the host is stopped", async () => {
    const { stdout, exitCode } = await here.operator.imagegen("stop");
    expect([exitCode, stdout]).toEqual([0, `${here.instanceId} is stopped: imagegen start --stack aws-volume`]);
    expect(await here.stateOf(here.instanceId)).toBe("stopped");
  });
  test("start waits for a heartbeat that is newer than itself", async () => {
    await here.report();
    await here.operator.imagegen("stop");
    here.api.calls.length = 0;
    const starting = here.operator.imagegen("start", "--json");
    await eventually("the host to be started", async () => here.api.calls.includes("StartInstances"), 60);
    await sleep(1500);
    await here.report();
    const { stdout, exitCode } = await starting;
    expect(exitCode).toBe(0);
    const printed = JSON.parse(stdout) as { seconds: number };
    expect(printed).toMatchObject({ host: here.instanceId, ready: true, model: DEFAULT_MODEL_ID });
    expect(printed.seconds).toBeGreaterThan(1.4);
    expect(await here.stateOf(here.instanceId)).toBe("running");
  });
  test("start fails with the host's reason and the end of its log", async () => {
    await here.report({
      at: new Date(Date.now() + 60_000).toISOString(),
      phase: "failed",
      ready: null,
      error: "no such disk",
      log: ["one", "two"],
    });
    // A host retries: without a time-out of its own, its error is waited for two minutes.
    const { stderr, exitCode } = await here.operator.imagegen("start", "--timeout", "3");
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^imagegen: no such disk \(HOST_FAILED\).*\n {2}one\n {2}two$/m);
  });
  test("start fails with the service's reason and the end of its log", async () => {
    const error = { code: "NO_DISK", message: "no such disk", retryable: false };
    const ready = { phase: "failed", error, model: DEFAULT_MODEL_ID };
    await here.report({ phase: "failed", ready, log: ["one", "two"] });
    const { stderr, exitCode } = await here.operator.imagegen("start");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("imagegen: no such disk (NO_DISK). Fix: imagegen logs --stack aws-volume\n  one\n  two");
  });
  test("start without capacity fails at once, in one line", async () => {
    await here.operator.imagegen("stop");
    const message = "We currently do not have sufficient g6.xlarge capacity in the Availability Zone you requested.";
    here.api.refusals.set("StartInstances", { name: "InsufficientInstanceCapacity", message });
    const { stderr, exitCode } = await here.operator.imagegen("start");
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /AWS has no g6\.xlarge \(on demand\) in us-east-1a now \(InsufficientInstanceCapacity\)\. The cache is safe\. Fix: .*move-az/,
    );
  });
});

describe("logs", () => {
  const logs = () =>
    new CloudWatchLogsClient({
      region: "us-east-1",
      endpoint: here.api.moto.url,
      credentials: { accessKeyId: "t", secretAccessKey: "t" },
    });
  const put = async (stream: string, ...lines: [number, string][]) => {
    await logs().send(new CreateLogStreamCommand({ logGroupName: GROUP, logStreamName: stream }));
    const logEvents = lines.map(([ago, message]) => ({ timestamp: Date.now() - ago, message }));
    await logs().send(new PutLogEventsCommand({ logGroupName: GROUP, logStreamName: stream, logEvents }));
  };
  const printed = async (...options: string[]) => (await here.operator.imagegen("logs", ...options)).stdout;

  test("prints the last lines of the container and the host, in the order of time, or those of one", async () => {
    await logs().send(new CreateLogGroupCommand({ logGroupName: GROUP }));
    const host: [number, string][] = [
      [3_000_000, "long ago"],
      [3000, "image-gen-data: formatting"],
      [1000, "kernel: Xid"],
    ];
    await put(`${here.instanceId}/host`, ...host);
    await put(here.instanceId, [2000, "container between"]);
    expect(await printed("-n", "3")).toBe("[host] image-gen-data: formatting\ncontainer between\n[host] kernel: Xid");
    expect(await printed()).toMatch(/^\[host\] long ago\n/);
    expect(await printed("--container")).toBe("container between");
    expect(await printed("--host", "-n", "2")).toBe("image-gen-data: formatting\nkernel: Xid");
    const both = await here.operator.imagegen("logs", "--host", "--container");
    expect(both.exitCode).toBe(2);
  });

  test("shows the console of a host that has sent nothing, and says so", async () => {
    const { stdout, stderr, exitCode } = await here.operator.imagegen("logs", "-n", "2");
    // moto's console, whatever the host.
    const end =
      "[console] Kernel command line: root=/dev/sda1 ro 4\n[console] Enabling fast FPU save and restore... done.";
    expect([exitCode, stdout]).toEqual([0, end]);
    expect(stderr).toContain(`The host ${here.instanceId} (running) has sent no line of its own: this is its console.`);
    await logs().send(new CreateLogGroupCommand({ logGroupName: GROUP }));
    expect((await printed("--host")).split("\n")).toHaveLength(10);
    expect(await printed("--container")).toBe("");
  });

  test("says that there is no host, where nothing else is to be printed", async () => {
    await logs().send(new CreateLogGroupCommand({ logGroupName: GROUP }));
    await here.ec2.send(new TerminateInstancesCommand({ InstanceIds: [here.instanceId] }));
    const { stderr, exitCode } = await here.operator.imagegen("logs");
    expect([exitCode, stderr]).toEqual([
      0,
      "The stack aws-volume has no host, and no line of one in the last 7 days. Fix: imagegen up --stack aws-volume",
    ]);
  });

  test("names the permission that the console needs", async () => {
    const message = "You are not authorized to perform: ec2:GetConsoleOutput";
    here.api.refusals.set("GetConsoleOutput", { name: "UnauthorizedOperation", message, status: 403 });
    const { stderr, exitCode } = await here.operator.imagegen("logs");
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`reading the console of ${here.instanceId}: access denied`);
  });
});

describe("open", () => {
  test("without AWS's plugin names where to install it from", async () => {
    here.operator.program("aws", "exit 0");
    const { stderr, exitCode } = await here.operator.imagegen("open");
    expect(exitCode).toBe(5);
    expect(stderr).toMatch(/^imagegen: session-manager-plugin is not installed\. Fix: https:/);
  });

  test("tunnels to the host until Ctrl-C, and leaves no process behind", async () => {
    const port = await freePort();
    here.operator.program("session-manager-plugin", "exit 0");
    const server = `require("node:http").createServer((_, r) => r.end(process.argv.slice(1).join(" "))).listen(${port}, "127.0.0.1")`;
    here.operator.program("aws", `[ "$1" = --version ] && exit 0\nexec ${process.execPath} -e '${server}' -- "$@"`);
    const open = here.operator.imagegen("open", "--port", String(port));
    const shown = once(open.stdout, "data");
    const url = `http://127.0.0.1:${port}`;
    await eventually("the tunnel", async () => (await fetch(url)).ok, 60);
    const words = await (await fetch(url)).text();
    expect(words).toContain(`ssm start-session --target ${here.instanceId} --region us-east-1`);
    expect(words).toContain(`{"portNumber":["8000"],"localPortNumber":["${port}"]}`);
    await shown;
    open.kill("SIGINT");
    const { exitCode, stdout } = await open;
    expect([exitCode, stdout]).toEqual([130, url]);
    await expect(fetch(url)).rejects.toThrow();
  });

  test("reports why a tunnel failed", async () => {
    here.operator.program("session-manager-plugin", "exit 0");
    here.operator.program(
      "aws",
      '[ "$1" = --version ] && exit 0\necho "An error occurred (TargetNotConnected)" >&2; exit 254',
    );
    const { stderr, exitCode } = await here.operator.imagegen("open", "--port", String(await freePort()));
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`The tunnel to ${here.instanceId} was closed: An error occurred (TargetNotConnected).`);
  });
});
