/**
 * A first `imagegen up` in AWS that fails, at each stage at which it can. What the message prints as its fix is typed as it
 * stands, and ends in a working stack with one volume, and nothing in the account that the stack does not know.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { AwsError } from "../../aws-fake/aws-error.ts";
import { Cloud } from "../../aws-fake/cloud.ts";
import { AwsProviderFake } from "../../aws-fake/index.ts";
import { text } from "../../aws-fake/kind.ts";
import { missingForAws } from "../support/fakes/aws-provider/needs.ts";
import { AwsApi } from "../support/fakes/moto/aws-api.ts";
import { Operator } from "../support/fakes/moto/operator.ts";

const missing = await missingForAws();
if (missing) console.warn(`LEFT OUT: a first up in AWS that fails: ${missing}`);

const VOLUME = "aws:ebs/volume:Volume";
const INSTANCE = "aws:ec2/instance:Instance";
const PATIENT = new Cloud().knobs;

describe.skipIf(missing !== undefined)("a first up in AWS that fails", () => {
  let fake: AwsProviderFake;
  let api: AwsApi;
  let operator: Operator;

  beforeAll(async () => {
    fake = await AwsProviderFake.start();
    api = await AwsApi.start({ parameters: fake.environment.AWS_ENDPOINT_URL ?? "", cloud: fake.cloud });
    api.quotas.set("L-DB2E81BA", 64);
    operator = new Operator(api, fake.environment);
  });

  afterEach(() => {
    fake.cloud.knobs = PATIENT;
    fake.hosts.behave({});
    expect(fake.cloud.broken).toEqual([]);
  });

  afterAll(async () => {
    operator.remove();
    api.stop();
    await fake.stop();
  });

  const volumes = () => fake.cloud.all(VOLUME);

  async function fails(stack: string, ...args: string[]): Promise<string> {
    const { exitCode, stderr } = await operator.imagegenOf(stack, ...args);
    expect([exitCode, stderr]).toEqual([expect.any(Number), stderr]);
    expect(exitCode).not.toBe(0);
    return stderr;
  }

  /** The printed command that starts with this word, without the program's name and the stack's. */
  function printed(stack: string, stderr: string, word: string): string[] {
    const found = new RegExp(`imagegen (${word}[^,;()]*?) --stack ${stack}\\b`).exec(
      stderr.slice(stderr.indexOf("Fix: ")),
    );
    if (!found?.[1]) throw new Error(`no "imagegen ${word} …" is printed:\n${stderr}`);
    return found[1].split(" ");
  }

  async function follow(stack: string, command: readonly string[]): Promise<void> {
    const yes = command[0] === "move-az" ? ["--yes"] : ["--no-picture"];
    const { exitCode, stderr } = await operator.imagegenOf(stack, ...command, ...yes);
    expect([exitCode, stderr]).toEqual([0, stderr]);
  }

  /** Ids of all that Pulumi knows of the stack. */
  async function known(stack: string): Promise<readonly string[]> {
    const { stdout } = await operator.pulumi("stack", "export", "--stack", stack);
    const { deployment } = JSON.parse(stdout) as { deployment: { resources: { id?: string }[] } };
    return deployment.resources.flatMap(({ id }) => id ?? []);
  }

  /** What is in the account since `before`, and in no state; what a host itself writes is nobody's resource. */
  async function orphans(stack: string, before: ReadonlySet<string>): Promise<readonly string[]> {
    const ids = await known(stack);
    const made = fake.cloud.inventory().filter(({ id }) => !before.has(id) && !id.endsWith("/ready"));
    // A group's hosts are in no state, but the group is.
    const isKnown = ({ id, props }: (typeof made)[number]) => ids.includes(id) || ids.includes(text(props.__group));
    return made.filter((thing) => !isKnown(thing)).map(({ kind, id }) => `${kind} ${id}`);
  }

  const inventory = () => new Set(fake.cloud.inventory().map(({ id }) => id));

  /** One volume, on a running host, and nothing that the stack does not know. */
  async function expectWhole(stack: string, before: ReadonlySet<string>): Promise<void> {
    const { stdout, exitCode } = await operator.imagegenOf(stack, "status", "--json");
    expect([exitCode, stdout]).toEqual([0, stdout]);
    const status = JSON.parse(stdout) as { ready: { phase: string }; volume: { id: string }; host: { id: string } };
    expect(status.ready.phase).toBe("ready");
    const made = volumes().filter(({ id }) => !before.has(id));
    expect(made.map(({ id, props }) => [id, props.__attachedTo])).toEqual([[status.volume.id, status.host.id]]);
    expect(text(made[0]?.props.__bytes)).toMatch(/^formatted by host/);
    expect(await orphans(stack, before)).toEqual([]);
  }

  const refusing = (kind: string, error: AwsError | string) => ({ ...PATIENT, refuses: { [kind]: error } });

  test("at its build, and then at its push: up continues, once the cause is gone", async () => {
    const stack = "first-image";
    operator.addStack(stack);
    const before = inventory();
    const build = 'failed to solve: process "/bin/sh -c uv pip install" did not complete successfully: exit code: 1';
    fake.cloud.knobs = refusing("docker-build:index:Image", build);
    const first = await fails(stack, "up", "--no-picture");
    expect(first).toMatch(/The image could not be built and pushed/);
    const push = "failed to push: unexpected status from PUT request: 403 Forbidden";
    fake.cloud.knobs = refusing("docker-build:index:Index", push);
    const second = await fails(stack, ...printed(stack, first, "up"), "--no-picture");
    expect(second).toContain(push);
    fake.cloud.knobs = PATIENT;
    await follow(stack, printed(stack, second, "up"));
    await expectWhole(stack, before);
  });

  test("at its volume: the command that requests more, and up continues", async () => {
    const stack = "first-volume";
    operator.addStack(stack);
    const before = inventory();
    const limit = new AwsError("VolumeLimitExceeded", "You have exceeded your maximum gp3 storage limit");
    fake.cloud.knobs = refusing(VOLUME, limit);
    const stderr = await fails(stack, "up", "--no-picture");
    expect(stderr).toMatch(
      /creating EBS Volume: .*VolumeLimitExceeded.* Fix: aws service-quotas request-service-quota-increase --service-code ebs/,
    );
    fake.cloud.knobs = PATIENT;
    await follow(stack, printed(stack, stderr, "up"));
    await expectWhole(stack, before);
  });

  test("at its network, then at its host for a quota, then at its gate: up continues each time", async () => {
    const stack = "first-network";
    operator.addStack(stack);
    const before = inventory();
    const limit = new AwsError("VpcLimitExceeded", "The maximum number of VPCs has been reached.");
    fake.cloud.knobs = refusing("aws:ec2/vpc:Vpc", limit);
    const network = await fails(stack, "up", "--no-picture");
    expect(network).toMatch(
      /creating EC2 VPC: .*VpcLimitExceeded.* Fix: aws service-quotas request-service-quota-increase --service-code vpc/,
    );
    fake.cloud.knobs = { ...PATIENT, vcpuQuota: fake.cloud.all(INSTANCE).length * 4 };
    const quota = await fails(stack, ...printed(stack, network, "up"), "--no-picture");
    expect(quota).toMatch(
      /No host: the account's quota L-DB2E81BA .*Fix: aws service-quotas request-service-quota-increase/,
    );
    // There is no output yet, and the volume is found.
    const status = JSON.parse((await operator.imagegenOf(stack, "status", "--json")).stdout) as object;
    const volume = volumes().find(({ id }) => !before.has(id));
    expect(status).toMatchObject({ running: false, host: null, volume: { id: volume?.id } });
    fake.cloud.knobs = PATIENT;
    fake.hosts.behave({ kind: "failing", error: "the weights are damaged" });
    const gate = await fails(stack, ...printed(stack, quota, "up"), "--no-picture");
    expect(gate).toMatch(
      /is not ready: .*the weights are damaged.*Fix: imagegen logs --stack first-network, imagegen doctor/,
    );
    // A volume that a host has mounted is copied, never dropped.
    const dry = await operator.imagegenOf(stack, "move-az", "us-east-1c", "--dry-run");
    expect(dry.stdout).toMatch(/stop the host.*\n.*make a snapshot of vol-.*\n.*and the snapshot.*\n.*is kept$/);
    fake.hosts.behave({});
    await follow(stack, printed(stack, gate.slice(gate.indexOf("What was made stays")), "up"));
    await expectWhole(stack, before);
  });

  test("in a zone that offers nothing, then without capacity in two zones: each printed command leads on to one volume", async () => {
    const stack = "first-host";
    operator.addStack(stack);
    const before = inventory();
    const one = ["--config", "instanceTypes=g6.xlarge"];
    const refused = await fails(stack, "up", "--no-picture", ...one, "--config", "availabilityZone=us-east-1e");
    expect(refused).toMatch(
      /availabilityZone: expected a zone that offers one of g6\.xlarge: .*got us-east-1e\. Fix: imagegen up/,
    );
    expect(inventory()).toEqual(before);
    const [, fix = ""] = new RegExp(`imagegen up --stack ${stack} (--config \\S+)`).exec(refused) ?? [];
    expect(fix).toBe("--config availabilityZone=us-east-1a");

    const full = ["us-east-1a", "us-east-1b"];
    fake.cloud.knobs = { ...PATIENT, noCapacity: ({ zone }) => full.includes(zone) };
    const first = await fails(stack, "up", ...fix.split(" "), ...one, "--no-picture");
    // The printed commands are without the flags, which are kept: else the next ones would try other types.
    expect(first).toContain("Remembered, as the first deployment began with them: availabilityZone, instanceTypes.");
    const toB = printed(stack, first, "move-az");
    expect(toB).toEqual(["move-az", "us-east-1b"]);
    const second = await fails(stack, ...toB, "--yes");
    expect(second).toMatch(/No host: AWS has no g6\.xlarge \(on demand\) in us-east-1b now/);
    const toC = printed(stack, second, "move-az");
    expect(toC).toEqual(["move-az", "us-east-1c"]);
    await follow(stack, toC);
    await expectWhole(stack, before);
    expect(operator.stackFile(stack)).toMatch(/availabilityZone: us-east-1c[\s\S]*volumeGeneration: "3"/);
    expect(operator.stackFile(stack)).not.toContain("volumeSnapshotId");
  });

  test("as a self-healing group without capacity: it follows the volume into the zone that is named", async () => {
    const stack = "first-group";
    operator.addStack(stack, { selfHealing: "true" });
    const before = inventory();
    const activity = "We currently do not have sufficient g6.xlarge capacity in the Availability Zone you requested";
    fake.cloud.knobs = refusing("aws:autoscaling/group:Group", new AwsError("Failed", activity));
    const stderr = await fails(stack, "up", "--no-picture");
    fake.cloud.knobs = PATIENT;
    expect(printed(stack, stderr, "move-az")).toEqual(["move-az", "us-east-1b"]);
    await follow(stack, printed(stack, stderr, "move-az"));
    await expectWhole(stack, before);
  });

  test("and is given up: down removes it all but a volume that somebody wrote to elsewhere", async () => {
    const stack = "first-written";
    operator.addStack(stack, { instanceTypes: "g6.xlarge" });
    const before = inventory();
    fake.cloud.knobs = { ...PATIENT, noCapacity: () => true };
    await fails(stack, "up", "--no-picture");
    const [volume] = volumes().filter(({ id }) => !before.has(id));
    if (volume) volume.props = { ...volume.props, __bytes: "written by a person, on a host of their own" };
    const { stderr, stdout } = await operator.imagegenOf(stack, "down", "--yes");
    expect(stderr).toContain(`${volume?.id} is kept: no host of the stack ever mounted it, but somebody wrote to it.`);
    expect(stdout).toContain(`Kept the models in the volume ${volume?.id}`);
    expect(volumes().some(({ id }) => id === volume?.id)).toBe(true);
  });

  test("and is given up: down removes it all, with a volume that no host ever mounted", async () => {
    const stack = "first-down";
    operator.addStack(stack, { instanceTypes: "g6.xlarge" });
    const before = inventory();
    fake.cloud.knobs = { ...PATIENT, noCapacity: () => true };
    await fails(stack, "up", "--no-picture");
    const [volume, ...others] = volumes().filter(({ id }) => !before.has(id));
    expect(others).toEqual([]);
    const { stderr, exitCode } = await operator.imagegenOf(stack, "down", "--yes");
    expect([exitCode, stderr]).toEqual([
      0,
      expect.stringContaining(`Deleted the volume ${volume?.id}, which was blank`),
    ]);
    // The images stay by default, and the command says so.
    const left = fake.cloud.inventory().filter(({ id }) => !before.has(id));
    expect(left.filter(({ kind }) => !kind.startsWith("aws:ecr/"))).toEqual([]);
  });
});
