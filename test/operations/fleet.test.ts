/** The commands of an operator for a fleet, as they are typed, against AWS on loopback. */
import { describe, expect, test } from "vitest";
import { GATEWAY_URL, RESCUE, SPOT, useFleet } from "../support/fakes/moto/fleet-account.ts";
import { eventually } from "../support/wait.ts";

const here = useFleet();
const imagegen = (...args: string[]) => here.operator.imagegenOf("aws-fleet", ...args);

describe("status", () => {
  test("shows the hosts of each group, the jobs, the workers, the spot share and what the hosts cost", async () => {
    await here.want(SPOT, 3);
    await here.want(RESCUE, 1);
    await here.protect(RESCUE, ...(await here.group(RESCUE)).hosts);
    for (let job = 0; job < 2; job += 1) await here.send("{}");
    await here.receive();
    await here.send("{}", here.deadLetterQueueUrl);
    await here.oldestJob(75);
    await here.worker("one", { busy: 1 });
    await here.worker("two", { phase: "downloading" });
    await here.worker("gone", { written: Date.now() / 1000 - 61 });
    const { stdout, exitCode } = await imagegen("status");
    expect(stdout.split("\n")).toEqual([
      "stack     aws-fleet (AWS, us-east-1)",
      "state     ready: 1 worker on 4 hosts",
      "spot      3 of 3 in service (0 to 4): 3 g6.xlarge in us-east-1a",
      "rescue    1 of 1 in service (0 to 1): 1 g6.xlarge in us-east-1a (protected)",
      "jobs      1 waiting, 1 being made, the oldest is 1 min 15 s old; 1 in the dead letters",
      "workers   1 ready (1 busy), 1 downloading",
      "on spot   75 %",
      expect.stringMatching(/^cost {6}\d\.\d\d USD an hour, 0\.0\d USD so far for the hosts that run \(us-east-1: /),
    ]);
    expect(exitCode).toBe(0);
  });

  test("says why no host comes, and what to do about it", async () => {
    const at = new Date(Date.now() - 60_000);
    const what = "Launching a new EC2 instance.  Status Reason: …";
    const none = "Could not launch Spot Instances. UnfulfillableCapacity - There is no capacity.";
    here.api.activities.set(SPOT, [
      { at, status: "Failed", what, message: none },
      { at: new Date(Date.now() - 120_000), status: "Failed", what, message: none },
      { at: new Date(Date.now() - 180_000), status: "Successful", what },
      { at: new Date(Date.now() - 240_000), status: "Failed", what, message: "of before" },
    ]);
    const quota = "You have requested more vCPU capacity than your current vCPU limit. VcpuLimitExceeded.";
    here.api.activities.set(RESCUE, [{ at, status: "Failed", what, message: quota }]);
    await here.send("{}");
    const { stdout } = await imagegen("status", "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      mode: "fleet",
      running: true,
      state: "jobs wait, and no host is desired yet",
      fleet: {
        groups: [
          { group: "spot", name: SPOT, least: 0, most: 4, desired: 0, inService: 0, stopped: false, hosts: [] },
          { group: "rescue", name: RESCUE, most: 1 },
        ],
        jobs: { waiting: 1, taken: 0, deadLetters: 0, oldestSeconds: null },
        workers: [],
        spotShare: null,
        cost: { usdPerHour: 0, usdSoFar: 0, priceSource: null },
        problems: [
          {
            message: `spot: 2 launches failed in the last hour, the last one at ${at.toISOString()}: ${none}`,
            fix: "imagegen up --config instanceTypes=g6.xlarge,g5.xlarge,g4dn.xlarge,<another> --stack aws-fleet",
          },
          {
            message: `rescue: a launch failed in the last hour, the last one at ${at.toISOString()}: ${quota}`,
            fix: "aws service-quotas request-service-quota-increase --service-code ec2 --quota-code L-DB2E81BA --desired-value <vCPUs> --region us-east-1",
          },
        ],
      },
    });
  });

  test("of a fleet that is not deployed ends with exit code 6", async () => {
    here.operator.noState();
    const { stderr, exitCode } = await imagegen("status");
    expect([exitCode, stderr]).toEqual([
      6,
      "imagegen: The fleet aws-fleet is not deployed, or its last up did not end. Fix: imagegen up --stack aws-fleet",
    ]);
  });

  test("names the missing permission in one line", async () => {
    const message = "User: arn:aws:iam::1:user/x is not authorized to perform: autoscaling:DescribeAutoScalingGroups";
    here.api.refusals.set("DescribeAutoScalingGroups", { name: "AccessDenied", message, status: 403 });
    const { stderr, exitCode } = await imagegen("status");
    expect([exitCode, stderr]).toEqual([
      1,
      "imagegen: looking for the hosts of the fleet aws-fleet: access denied: these credentials lack autoscaling:DescribeAutoScalingGroups",
    ]);
  });
});

describe("a gateway", () => {
  test("is in the status: its address, and how many of its tasks run", async () => {
    here.gateway({ desiredCount: 2, runningCount: 2, deployments: [{ status: "PRIMARY", rolloutState: "COMPLETED" }] });
    const { stdout, exitCode } = await imagegen("status");
    expect(exitCode).toBe(0);
    expect(stdout).toContain("\ngateway   2 of 2 tasks run\n");
    expect(stdout).toContain(`\nurl       ${GATEWAY_URL}`);
    const json = JSON.parse((await imagegen("status", "--json")).stdout) as { url: string; fleet: { gateway: object } };
    expect([json.url, json.fleet.gateway]).toEqual([GATEWAY_URL, { desired: 2, running: 2 }]);
  });

  test("whose tasks do not start says why, in AWS's words", async () => {
    const message = "(service gateway-service) was unable to place a task. Reason: ResourceInitializationError: x.";
    const events = [
      { createdAt: 1_795_000_000, message },
      { createdAt: 1_794_000_000, message: "(service gateway-service) has reached a steady state." },
    ];
    here.gateway({
      desiredCount: 2,
      runningCount: 0,
      deployments: [{ status: "PRIMARY", rolloutState: "IN_PROGRESS" }],
      events,
    });
    const { stdout } = await imagegen("status");
    expect(stdout).toContain("gateway   0 of 2 tasks run\n");
    expect(stdout).toContain(
      `problem   gateway: 0 of 2 tasks run: ${message} Fix: imagegen logs --container --stack aws-fleet, then imagegen up --stack aws-fleet`,
    );
  });

  test("that somebody has deleted says so", async () => {
    here.gateway({ desiredCount: 2, runningCount: 2 });
    here.api.services.clear();
    const gone =
      "problem   gateway: the service gateway-service does not exist any more. Fix: imagegen up --stack aws-fleet";
    expect((await imagegen("status")).stdout).toContain(gone);
    here.api.refusals.set("DescribeServices", { name: "ClusterNotFoundException", message: "Cluster not found." });
    expect((await imagegen("status")).stdout).toContain(gone);
  });

  test("stays while the fleet is stopped: what it accepts waits in the queue", async () => {
    here.gateway({ desiredCount: 2, runningCount: 2, deployments: [] });
    await here.want(SPOT, 1);
    expect((await imagegen("stop")).exitCode).toBe(0);
    const changed = here.api.calls.filter((call) => /Service/.test(call));
    expect(changed).toEqual([]);
    const { stdout, exitCode } = await imagegen("status");
    expect(exitCode).toBe(6);
    expect(stdout).toContain("gateway   2 of 2 tasks run");
    expect(stdout).toContain(GATEWAY_URL);
  });

  test("is what open prints; without one there is no address", async () => {
    here.gateway({ desiredCount: 2, runningCount: 2 });
    expect((await imagegen("open")).stdout).toBe(GATEWAY_URL);
    here.operator.state(here.outputs);
    const { stderr, exitCode } = await imagegen("open");
    expect([exitCode, stderr]).toEqual([
      2,
      "imagegen: open: the fleet aws-fleet has no gateway, and so no address. Fix: imagegen up --config gatewayCount=2 --stack aws-fleet; without one, send jobs to the queue: docs/guides/fleet.md",
    ]);
  });
});

describe("stop and start", () => {
  test("stop ends all hosts and keeps it so; start lets them come again, the first one at once where jobs wait", async () => {
    await here.want(SPOT, 2);
    await here.want(RESCUE, 1);
    const hosts = [...(await here.group(SPOT)).hosts, ...(await here.group(RESCUE)).hosts].sort();
    await here.send("{}");
    const stopped = await imagegen("stop", "--json");
    expect(stopped.exitCode).toBe(0);
    expect(JSON.parse(stopped.stdout)).toEqual({ host: null, state: "stopped", hosts, waiting: 1 });
    expect(hosts).toHaveLength(3);
    const off = { desired: 0, hosts: [], suspended: ["AlarmNotification", "Launch"] };
    expect(await here.group(SPOT)).toEqual({ ...off, limits: [0, 4] });
    expect(await here.group(RESCUE)).toEqual({ ...off, limits: [0, 1] });
    const status = await imagegen("status");
    expect([status.exitCode, status.stdout]).toEqual([
      6,
      expect.stringContaining(
        "state     stopped: imagegen start --stack aws-fleet\nspot      0 of 0 in service (none is started)",
      ),
    ]);

    const started = await imagegen("start", "--no-wait");
    expect([started.exitCode, started.stdout]).toEqual([0, "The fleet aws-fleet is started: hosts on their way: 1"]);
    expect(await here.group(SPOT)).toMatchObject({ desired: 1, suspended: [] });
    expect(await here.group(RESCUE)).toMatchObject({ desired: 0, suspended: [] });
  });

  test("stop lowers what a policy raised while it looked, and ends those hosts, too", async () => {
    await here.want(SPOT, 1);
    here.api.before.set("SuspendProcesses", () => here.want(SPOT, 3));
    const { exitCode, stdout } = await imagegen("stop", "--json");
    expect([exitCode, (JSON.parse(stdout) as { hosts: string[] }).hosts.length]).toEqual([0, 3]);
    expect(await here.group(SPOT)).toMatchObject({ desired: 0, hosts: [] });
  });

  test("stop ends hosts that make pictures, too, which their group would keep", async () => {
    await here.want(SPOT, 3);
    const busy = (await here.group(SPOT)).hosts.slice(1).sort();
    await here.protect(SPOT, ...busy);
    await here.want(SPOT, 0);
    expect((await here.group(SPOT)).hosts.sort()).toEqual(busy);
    const { exitCode, stdout } = await imagegen("stop", "--json");
    expect([exitCode, (JSON.parse(stdout) as { hosts: string[] }).hosts]).toEqual([0, busy]);
    expect(await here.group(SPOT)).toMatchObject({ desired: 0, hosts: [] });
  });

  test("start without a job needs no host and waits for none", async () => {
    expect((await imagegen("stop")).stdout).toBe(
      "The fleet aws-fleet is stopped, it had no host; jobs that wait: 0. To start it: imagegen start --stack aws-fleet",
    );
    const started = await imagegen("start", "--json");
    expect(JSON.parse(started.stdout)).toMatchObject({ host: null, ready: false, desired: 0 });
  });

  test("start waits for a worker that is ready, and no longer than it is to", async () => {
    await imagegen("stop");
    await here.send("{}");
    await here.worker("one", { phase: "downloading" });
    const late = await imagegen("start", "--timeout", "1");
    expect([late.exitCode, late.stderr.split("\n").at(-1)]).toEqual([
      1,
      "imagegen: No worker of aws-fleet is ready after 1 s; the fleet stays started. Fix: imagegen status --stack aws-fleet",
    ]);
    await here.worker("one");
    const { exitCode, stdout } = await imagegen("start");
    expect([exitCode, stdout]).toEqual([
      0,
      expect.stringMatching(/^Ready: a worker of the fleet aws-fleet \(\d+ s\)$/),
    ]);
  });

  test("what is for one host says so", async () => {
    const { exitCode, stderr } = await imagegen("pin");
    expect([exitCode, stderr]).toEqual([
      2,
      "imagegen: The stack aws-fleet is a fleet: it has no host that stays, and no volume. Fix: imagegen up --stack aws-fleet",
    ]);
  });
});

describe("drain", () => {
  test("writes the object that workers look for, and waits until none has a job; start lets them take jobs again", async () => {
    await here.want(SPOT, 1);
    await here.send("{}");
    await here.worker("one", { busy: 1 });
    await here.worker("two", { takes_jobs: false, drained: true });
    const draining = imagegen("drain");
    await eventually("the object", async () => (await here.objects()).includes("drain.json"), 60);
    expect((await imagegen("status")).stdout).toContain(
      "state     drains: 1 worker with a job, or not aware of it yet",
    );
    await here.worker("one", { takes_jobs: false, drained: true });
    const { stdout, exitCode } = await draining;
    expect([exitCode, stdout.replace(/\(\d+ s\)/, "(… s)")]).toEqual([
      0,
      "The fleet aws-fleet is drained (… s): workers that take no jobs: 2; jobs that wait: 1. Their hosts run, and cost, until imagegen stop --stack aws-fleet. To take jobs again: imagegen start --stack aws-fleet",
    ]);
    expect(await here.group(SPOT)).toMatchObject({ desired: 1, suspended: ["AlarmNotification", "Launch"] });
    const status = await imagegen("status");
    expect([status.exitCode, status.stdout]).toEqual([
      0,
      expect.stringContaining(
        "state     drained, no job is taken: imagegen start --stack aws-fleet\nspot      1 of 1 in service",
      ),
    ]);
    await imagegen("start", "--no-wait");
    expect(await here.objects()).toEqual(["workers/one.json", "workers/two.json"]);
    expect(await here.group(SPOT)).toMatchObject({ desired: 1, suspended: [] });
  });

  test("names the workers that still have a job, and those that do not stop taking them", async () => {
    await here.worker("busy", { takes_jobs: false, busy: 1 });
    await here.worker("older");
    const { stderr, exitCode } = await imagegen("drain", "--timeout", "1");
    expect(exitCode).toBe(1);
    expect(stderr.split("\n").slice(-2)).toEqual([
      "imagegen: Workers still have a job after 1 s: busy. They take no other one. Fix: imagegen drain --stack aws-fleet, or imagegen stop --stack aws-fleet, which gives the jobs back",
      "Workers still take jobs after 1 s: older. Their image may be of an earlier version. Fix: imagegen stop --stack aws-fleet",
    ]);
  });

  test("is for fleets alone", async () => {
    const { stderr, exitCode } = await here.operator.imagegen("drain");
    expect([exitCode, stderr]).toEqual([
      2,
      "imagegen: The stack aws-volume is no fleet in AWS. Fix: imagegen stop --stack aws-volume",
    ]);
  });
});

describe("logs", () => {
  test("has the lines of all hosts, their containers and the gateway in the order of time, each with whose it is", async () => {
    await here.logGroup();
    await here.log("i-1/host", [5000, "image-gen-data: formatting"]);
    await here.log("i-1", [4000, "container one"], [1000, "container one again"]);
    await here.log("i-2", [2000, "container two"]);
    await here.log("gateway/gateway/0123456789abcdef0123456789abcdef", [500, "a request"]);
    const printed = async (...options: string[]) => (await imagegen("logs", ...options)).stdout.split("\n");
    expect(await printed()).toEqual([
      "[i-1 host] image-gen-data: formatting",
      "[i-1] container one",
      "[i-2] container two",
      "[i-1] container one again",
      "[gateway 01234567] a request",
    ]);
    expect(await printed("--container", "-n", "2")).toEqual([
      "[i-1] container one again",
      "[gateway 01234567] a request",
    ]);
    expect(await printed("--host")).toEqual(["[i-1] image-gen-data: formatting"]);
  });

  test("has the consoles of hosts where none has sent a line, and says where there is no host", async () => {
    await here.logGroup();
    const none = await imagegen("logs");
    expect([none.exitCode, none.stdout, none.stderr]).toEqual([
      0,
      "",
      "No host of the fleet aws-fleet has written a line in the last 7 days, and there is none now.",
    ]);
    await here.want(SPOT, 1);
    const [host = ""] = (await here.group(SPOT)).hosts;
    const { stdout, stderr } = await imagegen("logs", "-n", "1");
    expect(stdout).toMatch(new RegExp(`^\\[${host} console\\] Enabling fast FPU`));
    expect(stderr).toBe(`The host ${host} (InService) has sent no line of its own: this is its console.`);
  });

  test("of a fleet without a log group ends with exit code 6", async () => {
    const { stderr, exitCode } = await imagegen("logs");
    expect([exitCode, stderr]).toEqual([
      6,
      "imagegen: There is no log group /imagegen/aws-fleet. Fix: imagegen up --stack aws-fleet",
    ]);
  });
});
