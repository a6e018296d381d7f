/** `imagegen picture` for a fleet: a job in its queue, as it is typed, against AWS on loopback. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import { SPOT, useFleet } from "../support/fakes/moto/fleet-account.ts";
import { paths } from "../support/paths.ts";
import { pythonEnvironment } from "../support/python.ts";
import { eventually } from "../support/wait.ts";

const here = useFleet();
const imagegen = (...args: string[]) => here.operator.imagegenOf("aws-fleet", ...args);

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
    await here.worker("one");
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
