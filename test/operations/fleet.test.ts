/** The commands of an operator for a fleet, as they are typed, against AWS on loopback. */
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { describe, expect, onTestFinished, test } from "vitest";
import { GATEWAY_URL, RESCUE, SPOT, useFleet } from "../support/fakes/moto/fleet-account.ts";
import { paths } from "../support/paths.ts";
import { pythonEnvironment } from "../support/python.ts";
import { eventually } from "../support/wait.ts";

const here = useFleet();
const imagegen = (...args: string[]) => here.operator.imagegenOf("aws-fleet", ...args);
/** A worker's record, as of now. */
const worker = (id: string, changes: object = {}) =>
  here.write(
    `workers/${id}.json`,
    JSON.stringify({
      version: 1,
      id,
      written: Date.now() / 1000,
      phase: "ready",
      engines: 1,
      busy: 0,
      error: null,
      ...changes,
    }),
  );

describe("status", () => {
  test("shows the hosts of each group, the jobs, the workers, the spot share and what the hosts cost", async () => {
    await here.want(SPOT, 3);
    await here.want(RESCUE, 1);
    for (let job = 0; job < 2; job += 1) await here.send("{}");
    await here.receive();
    await here.send("{}", here.deadLetterQueueUrl);
    await here.oldestJob(75);
    await worker("one", { busy: 1 });
    await worker("two", { phase: "downloading" });
    await worker("gone", { written: Date.now() / 1000 - 61 });
    const { stdout, exitCode } = await imagegen("status");
    expect(stdout.split("\n")).toEqual([
      "stack     aws-fleet (AWS, us-east-1)",
      "state     ready: 1 worker on 4 hosts",
      "spot      3 of 3 in service (0 to 4): 3 g6.xlarge in us-east-1a",
      "rescue    1 of 1 in service (0 to 1): 1 g6.xlarge in us-east-1a",
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
    await worker("one", { phase: "downloading" });
    const late = await imagegen("start", "--timeout", "1");
    expect([late.exitCode, late.stderr.split("\n").at(-1)]).toEqual([
      1,
      "imagegen: No worker of aws-fleet is ready after 1 s; the fleet stays started. Fix: imagegen status --stack aws-fleet",
    ]);
    await worker("one");
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
    await worker("one", { busy: 1 });
    await worker("two", { takes_jobs: false, drained: true });
    const draining = imagegen("drain");
    await eventually("the object", async () => (await here.objects()).includes("drain.json"), 60);
    expect((await imagegen("status")).stdout).toContain(
      "state     drains: 1 worker with a job, or not aware of it yet",
    );
    await worker("one", { takes_jobs: false, drained: true });
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
    await worker("busy", { takes_jobs: false, busy: 1 });
    await worker("older");
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

describe("picture", () => {
  const PNG = Buffer.from("a picture");
  /** What a worker of image-gen reads of the job and writes as its result, in its own words. */
  const MAKE = [
    "import json, sys, time",
    "from image_gen.fleet.fleet_job import FleetJob, FleetResult, job_id_in, picture_name",
    "body, data, outcome = json.load(sys.stdin)",
    "job = FleetJob.from_json(data.encode())",
    "assert job_id_in(body) == job.id and abs(job.created - time.time()) < 60, job",
    "names = [picture_name(job.id, 'a', at, job.fields['output_format']) for at in range(job.fields.get('n') or 1)]",
    "answer = {'created': 1, 'data': [{'object': name, 'seed': 7 + at} for at, name in enumerate(names)]}",
    "made = FleetResult(job.id, 'succeeded', time.time(), worker='w', seconds=3.2, answer=answer)",
    "failed = FleetResult(job.id, 'failed', time.time(), error={'message': 'no such size'})",
    "result = made if outcome == 'made' else failed",
    "print(json.dumps([job.id, job.kind, job.key, dict(job.fields), dict(job.files), names, result.to_json().decode()]))",
  ].join("\n");

  async function nextMessage() {
    for (;;) {
      const message = await here.receive();
      if (message !== null) return message;
      await sleep(100);
    }
  }

  /** Takes one job and makes it; what the worker has read. */
  async function work(outcome: "made" | "failed") {
    const { body, group } = await nextMessage();
    const { job } = JSON.parse(body) as { job: string };
    const data = (await here.read(`jobs/${job}/job.json`)).toString();
    const env = { PYTHONPATH: join(paths.imageGen, "src") };
    const input = JSON.stringify([body, data, outcome]);
    const { stdout } = await execa(await pythonEnvironment(), ["-c", MAKE], { env, input });
    const read = JSON.parse(stdout) as [string, string, string, object, Record<string, string>, string[], string];
    const [id, kind, key, fields, files, names, result] = read;
    const uploads: Record<string, string> = {};
    for (const [name, object] of Object.entries(files)) uploads[name] = (await here.read(object)).toString();
    for (const name of names) await here.write(name, PNG);
    await here.write(`jobs/${id}/result.json`, result);
    return { id, kind, key, fields, uploads, group };
  }

  test("is a job in the queue as a gateway sends it, whose pictures are saved; nothing of it is kept", async () => {
    const output = join(here.operator.directory, "out.png");
    const asking = imagegen("picture", "a lighthouse", "-n", "2", "--seed", "7", "--output", output);
    const job = await work("made");
    expect(job).toEqual({
      id: expect.stringMatching(/^job_[0-9a-f]{24}$/),
      kind: "generation",
      key: "default",
      fields: { prompt: "a lighthouse", n: 2, seed: 7, output_format: "png" },
      uploads: {},
      group: "default",
    });
    const { stdout, stderr, exitCode } = await asking;
    const [one, two] = ["out-1.png", "out-2.png"].map((name) => join(here.operator.directory, name));
    expect(stdout.replace(/\d+\.\d s/, "… s")).toBe(`${one} (… s, seed 7)\n${two} (seed 8)`);
    expect(exitCode).toBe(0);
    expect(readFileSync(one ?? "")).toEqual(PNG);
    expect(stderr).toContain("Made by the worker w in 3.2 s.");
    expect(await here.objects()).toEqual([]);
    // Nobody was there.
    expect(await here.group(SPOT)).toMatchObject({ desired: 1 });
  });

  test("of another one sends the files with the job, and asks for no host where a worker lives", async () => {
    await worker("one");
    const [image, mask] = ["house.png", "mask.png"].map((name) => join(here.operator.directory, name));
    for (const file of [image, mask]) writeFileSync(file ?? "", `bytes of ${file}`);
    const asking = imagegen(
      "picture",
      "winter",
      "--edit",
      image ?? "",
      "--mask",
      mask ?? "",
      "--strength",
      "0.5",
      "--json",
    );
    const { kind, fields, uploads } = await work("made");
    expect({ kind, fields, uploads }).toEqual({
      kind: "edit",
      fields: { prompt: "winter", strength: 0.5, output_format: "png" },
      uploads: { image: `bytes of ${image}`, mask: `bytes of ${mask}` },
    });
    const made = JSON.parse((await asking).stdout) as { path: string; seed: number; prompt: string };
    expect(made).toMatchObject({ seed: 7, prompt: "winter", bytes: PNG.length });
    expect(existsSync(made.path)).toBe(true);
    expect(await here.group(SPOT)).toMatchObject({ desired: 0 });
    expect(await here.objects()).toEqual(["workers/one.json"]);
  });

  test("is saved although the store has a fault while the job is made", async () => {
    const asking = imagegen("picture", "a lighthouse");
    await eventually("the job", async () => (await here.objects()).length === 1, 60);
    here.api.refusedObjects = /result\.json/;
    await eventually("three looks that fail", async () => here.api.refusedReads >= 3, 60);
    here.api.refusedObjects = null;
    await work("made");
    const { exitCode, stderr } = await asking;
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining("Made by the worker w in 3.2 s.")]);
    expect(await here.objects()).toEqual([]);
  });

  test("that the worker refuses fails with its reason", async () => {
    const asking = imagegen("picture", "x", "--size", "1x1");
    await work("failed");
    const { stderr, exitCode } = await asking;
    expect([exitCode, stderr.split("\n").at(-1)]).toEqual([1, "imagegen: The job failed: no such size"]);
    expect(await here.objects()).toEqual([]);
  });

  test("without a host in time says why, and cancels the job", async () => {
    const message = "Could not launch Spot Instances. InsufficientInstanceCapacity - There is no capacity.";
    const at = new Date();
    here.api.activities.set(SPOT, [{ at, status: "Failed", what: "Launching a new EC2 instance", message }]);
    here.api.refusals.set("SetDesiredCapacity", {
      name: "AccessDenied",
      message: "not authorized to perform: autoscaling:SetDesiredCapacity on x",
      status: 403,
    });
    const { stderr, exitCode } = await imagegen("picture", "x", "--timeout", "2");
    expect(exitCode).toBe(1);
    expect(stderr.split("\n").filter((line) => !line.startsWith("waiting"))).toEqual([
      `The first host comes by the fleet's policy, as it can't be asked for: ${SPOT}: access denied: these credentials lack autoscaling:SetDesiredCapacity`,
      "imagegen: No picture within 2 s: no host came. The job was cancelled.",
      `spot: a launch failed in the last hour, the last one at ${at.toISOString()}: ${message} Fix: imagegen up --config instanceTypes=g6.xlarge,g5.xlarge,g4dn.xlarge,<another> --stack aws-fleet`,
    ]);
    const [name = "", ...others] = await here.objects();
    expect([name, others]).toEqual([expect.stringMatching(/^jobs\/job_[0-9a-f]{24}\/result\.json$/), []]);
    expect(JSON.parse((await here.read(name)).toString())).toMatchObject({ version: 1, status: "cancelled" });
  });

  test("is not asked of a fleet that is stopped", async () => {
    await imagegen("stop");
    const { stderr, exitCode } = await imagegen("picture", "x");
    expect([exitCode, stderr]).toEqual([
      6,
      "imagegen: The fleet aws-fleet is stopped: no host takes a job. Fix: imagegen start --stack aws-fleet",
    ]);
    expect(await here.receive()).toBeNull();
  });

  test("that is interrupted is cancelled", async () => {
    const asking = imagegen("picture", "x");
    await eventually("the job", async () => (await here.objects()).length === 1, 60);
    await nextMessage();
    asking.kill("SIGINT");
    expect((await asking).exitCode).toBe(130);
    const [name = "", ...others] = await here.objects();
    expect(others).toEqual([]);
    expect(JSON.parse((await here.read(name)).toString())).toMatchObject({ status: "cancelled" });
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

/** A Python whose virtual environments print what they are asked to run, and with what. */
function standIn(exitCode = 0): void {
  const names = "MODEL MIRROR REVISION";
  const ownVariables = names
    .split(" ")
    .map((name) => `$IMAGEGEN_${name}`)
    .join(" ");
  const run = `echo "$* | ${ownVariables} $AWS_REGION $AWS_ACCESS_KEY_ID\${IMAGE_GEN_LORAS:+ $IMAGE_GEN_LORAS}"; exit ${exitCode}`;
  const made = `printf '%s\\n' '#!/bin/bash' 'case "$*" in *pip*) exit;; esac' '${run}' >"$3/bin/python"`;
  here.operator.program("python3", `mkdir -p "$3/bin"; ${made}; chmod +x "$3/bin/python"`);
}

describe("cache mirror", () => {
  test("downloads the stack's model on this machine and sends it to the bucket, with the operator's credentials", async () => {
    standIn();
    const { stdout, stderr, exitCode } = await imagegen("cache", "mirror", "s3://models/prefix");
    const model = "stabilityai/stable-diffusion-xl-base-1.0";
    expect(stdout).toBe(
      `-m image_gen mirror --model ${model} --output s3://models/prefix | ${model} s3://models/prefix  us-east-1 test`,
    );
    expect(exitCode).toBe(0);
    expect(stderr.split("\n").at(-1)).toBe(
      "Hosts read it after: imagegen up --config modelMirror=s3://models/prefix --stack aws-fleet",
    );
  });

  test("sends what the service has besides its model, and that alone", async () => {
    standIn();
    const loras = "pixel=org/pixel@v1,own=org/own/x.safetensors";
    const file = join(here.operator.directory, "stacks/Pulumi.aws-fleet.yaml");
    appendFileSync(file, `  Picture-Perfect-Challenge:loras: ${loras}\n`);
    onTestFinished(() => here.operator.restoreStackFile("aws-fleet"));
    const { stdout } = await imagegen("cache", "mirror", "s3://models/prefix");
    expect(stdout).toMatch(new RegExp(` \\| \\S+ s3://models/prefix  us-east-1 test ${loras}$`));
    const other = await imagegen("cache", "mirror", "s3://models/prefix", "--model", "acme/tiny");
    expect(other.stdout).toMatch(/ us-east-1 test$/);
  });

  test("of another model takes its revision, and passes JSON and the exit code on", async () => {
    standIn(3);
    const options = ["--model", "acme/tiny", "--revision", "v2", "--json"];
    const { stdout, exitCode } = await imagegen("cache", "mirror", "s3://models/prefix", ...options);
    expect([exitCode, stdout.split(" | ")[0]]).toEqual([
      3,
      "-m image_gen mirror --model acme/tiny --revision v2 --output s3://models/prefix --json",
    ]);
  });

  test.each([
    [
      [],
      "imagegen: modelMirror: expected s3://<bucket>/<prefix>, got nothing. Fix: imagegen cache mirror s3://<bucket>/<prefix> --stack aws-fleet",
    ],
    [
      ["/srv/models"],
      'imagegen: The mirror: expected s3://<bucket>/<prefix>, got "/srv/models". Fix: imagegen cache mirror s3://<bucket>/<prefix> --stack aws-fleet',
    ],
    [
      ["s3://models/prefix", "--model", "demo"],
      "imagegen: The demo model is made on each host, and is in no mirror. Fix: imagegen cache mirror --model <organisation>/<name> --stack aws-fleet",
    ],
  ])("with %j is refused in one line", async (args, line) => {
    const { stderr, exitCode } = await imagegen("cache", "mirror", ...args);
    expect([exitCode, stderr]).toEqual([2, line]);
  });
});

describe("cache put", () => {
  const PLACE = "s3://results/models";
  const put = (...args: string[]) =>
    here.operator.imagegenWith({ AWS_ENDPOINT_URL_S3: here.api.moto.url }, "aws-fleet", "cache", "put", ...args);

  /** The real program, in the environment of the tests in place of one from the package index. */
  async function withoutPackageIndex(): Promise<void> {
    const run = `exec ${await pythonEnvironment()} "$@"`;
    const made = `printf '%s\\n' '#!/bin/bash' 'case "$*" in "-m pip"*) exit;; esac' '${run}' >"$3/bin/python"`;
    here.operator.program("python3", `mkdir -p "$3/bin"; ${made}; chmod +x "$3/bin/python"`);
  }

  /** What a host's container does at its start. */
  async function onHost(model: string, revision: string) {
    const home = mkdtempSync(join(tmpdir(), "imagegen-host-"));
    onTestFinished(() => rmSync(home, { recursive: true }));
    const env = {
      PYTHONPATH: join(paths.imageGen, "src"),
      HF_HOME: home,
      HF_HUB_OFFLINE: "1",
      IMAGE_GEN_MIRROR: PLACE,
      AWS_ENDPOINT_URL: here.api.moto.url,
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
      AWS_REGION: "us-east-1",
    };
    const args = ["-m", "image_gen", "prefetch", "--model", model, "--revision", revision, "--json"];
    const { stdout } = await execa(await pythonEnvironment(), args, { env, cwd: home });
    return JSON.parse(stdout) as { id: string; revision: string; directory: string };
  }

  test("sends a checkpoint to the mirror, from which a host gets and verifies it without a hub", async () => {
    await withoutPackageIndex();
    const file = join(here.operator.directory, "my photos.safetensors");
    writeFileSync(file, checkpoint());
    const odd = await put(file, PLACE);
    expect([odd.exitCode, odd.stderr.split("\n").at(-1)]).toEqual([1, expect.stringContaining("Fix: rename it")]);
    const named = join(here.operator.directory, "photos.safetensors");
    writeFileSync(named, checkpoint());
    const { stdout, exitCode } = await put(named, PLACE);
    expect(exitCode).toBe(0);
    const [, revision = ""] = /^own\/photos\/photos\.safetensors at ([0-9a-f]{40}): /.exec(stdout) ?? [];
    expect(stdout.split("\n").at(-1)).toBe(
      `Serve it: imagegen up --model own/photos/photos.safetensors --config modelRevision=${revision} --config modelMirror=${PLACE} --stack aws-fleet`,
    );
    const found = await onHost("own/photos/photos.safetensors", revision);
    expect(found).toMatchObject({ id: "own/photos/photos.safetensors", revision });
    expect(readFileSync(join(found.directory, "photos.safetensors"))).toEqual(checkpoint());
  });

  test("sends it under a name, as JSON; the same again is the same revision", async () => {
    await withoutPackageIndex();
    const file = join(here.operator.directory, "other.safetensors");
    writeFileSync(file, checkpoint("x"));
    const results = [];
    for (const _ of [1, 2]) results.push((await put(file, PLACE, "--name", "acme/own", "--json")).stdout);
    const [first, second] = results.map((each) => JSON.parse(each) as Record<string, unknown>);
    expect(second).toEqual(first);
    expect(first).toMatchObject({
      stack: "aws-fleet",
      model: "acme/own/other.safetensors",
      bytes: checkpoint("x").length,
    });
    expect(first?.place).toBe(`${PLACE}/acme/own/${String(first?.revision)}`);
  });

  test("of a LoRA adds it to those of the stack", async () => {
    await withoutPackageIndex();
    const stack = join(here.operator.directory, "stacks/Pulumi.aws-fleet.yaml");
    appendFileSync(
      stack,
      `  Picture-Perfect-Challenge:loras: a=org/a\n  Picture-Perfect-Challenge:modelMirror: ${PLACE}\n`,
    );
    onTestFinished(() => here.operator.restoreStackFile("aws-fleet"));
    const file = join(here.operator.directory, "sketch.safetensors");
    writeFileSync(file, safetensors(["unet.mid_block.to_q.lora_A.weight"]));
    const { stdout, exitCode } = await put(file, "--json");
    expect(exitCode).toBe(0);
    const { model, revision, serve } = JSON.parse(stdout) as Record<"model" | "revision" | "serve", string>;
    expect(model).toBe(`own/sketch@${revision}/sketch.safetensors`);
    expect(serve).toBe(`imagegen up --config loras=a=org/a,sketch=${model} --stack aws-fleet`);
  });

  test("of a LoRA whose name the stack has is in place of that one, and has a name that the key takes", async () => {
    await withoutPackageIndex();
    const stack = join(here.operator.directory, "stacks/Pulumi.aws-fleet.yaml");
    appendFileSync(
      stack,
      `  Picture-Perfect-Challenge:loras: "${"s".repeat(64)}=own/old@${"1".repeat(40)}, b=/data/my b.safetensors"\n  Picture-Perfect-Challenge:modelMirror: ${PLACE}\n`,
    );
    onTestFinished(() => here.operator.restoreStackFile("aws-fleet"));
    const file = join(here.operator.directory, "again.safetensors");
    writeFileSync(file, safetensors(["unet.mid_block.to_q.lora_A.weight"]));
    const { stdout } = await put(file, "--name", `own/${"s".repeat(70)}`, "--json");
    const { model, serve } = JSON.parse(stdout) as Record<"model" | "serve", string>;
    expect(serve).toBe(
      `imagegen up --config loras='b=/data/my b.safetensors,${"s".repeat(64)}=${model}' --stack aws-fleet`,
    );
  });

  test("says what is no model, and sends nothing", async () => {
    await withoutPackageIndex();
    const file = join(here.operator.directory, "part.safetensors");
    writeFileSync(file, "not a checkpoint");
    const { stderr, exitCode } = await put(file, PLACE, "--name", "acme/part");
    expect([exitCode, stderr.split("\n").at(-1)]).toEqual([
      1,
      expect.stringMatching(/^imagegen: <path>: .*part\.safetensors is no safetensors file.* Fix: /),
    ]);
  });

  test.each([
    [["/nowhere", PLACE], "imagegen: There is no /nowhere."],
    [["", PLACE], "imagegen: The path is empty. Fix: imagegen cache put <path> --stack aws-fleet"],
    [
      ["/tmp", PLACE, "--name", "photos"],
      'imagegen: --name: expected <organisation>/<name>, got "photos". Fix: --name acme/photos',
    ],
    [
      ["/tmp"],
      "imagegen: modelMirror: expected s3://<bucket>/<prefix>, got nothing. Fix: imagegen cache put <path> s3://<bucket>/<prefix> --stack aws-fleet",
    ],
  ])("%j is refused in one line", async (args, line) => {
    const { stderr, exitCode } = await put(...args);
    expect([exitCode, stderr]).toEqual([2, line]);
  });

  test("for a stack on this machine names the command that serves the path", async () => {
    const { stderr, exitCode } = await here.operator.imagegenOf("local", "cache", "put", "/tmp", PLACE);
    expect([exitCode, stderr]).toEqual([
      2,
      "imagegen: The stack local runs on this machine, where its service reads the model itself. Fix: imagegen up --model <path>",
    ]);
  });
});

/** A file with the header of a checkpoint of Stable Diffusion 1. */
const checkpoint = (weight = "a"): Buffer =>
  safetensors(
    [
      "model.diffusion_model.input_blocks.0.0.weight",
      "first_stage_model.decoder.conv_in.weight",
      "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight",
    ],
    weight,
  );

function safetensors(names: readonly string[], weight = "a"): Buffer {
  const tensor = (at: number) => ({ dtype: "U8", shape: [1, 4], data_offsets: [at, at + 1] });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(names.map((name, index) => [name, tensor(index)]))));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, Buffer.from(weight.repeat(names.length))]);
}
