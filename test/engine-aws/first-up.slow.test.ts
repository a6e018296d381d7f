/**
 * A first `imagegen up` in AWS that fails, at each stage at which it can. What the message prints as its fix is typed as it
 * stands, and ends in a working stack with one volume, and nothing in the account that the stack does not know.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { AwsError } from "../support/fakes/aws-provider/aws-error.ts";
import { Cloud } from "../support/fakes/aws-provider/cloud.ts";
import { AwsProviderFake } from "../support/fakes/aws-provider/index.ts";
import { text } from "../support/fakes/aws-provider/kind.ts";
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
    return made.filter(({ id }) => !ids.includes(id)).map(({ kind, id }) => `${kind} ${id}`);
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

  const DENIED = "403 Forbidden";
  test.each<[string, Partial<typeof PATIENT>, RegExp]>([
    [
      "build",
      {
        refuses: {
          "docker-build:index:Image":
            'failed to solve: process "/bin/sh -c uv pip install" did not complete successfully: exit code: 1',
        },
      },
      /The image could not be built/,
    ],
    [
      "push",
      { refuses: { "docker-build:index:Index": `failed to push: unexpected status from PUT request: ${DENIED}` } },
      /failed to push: unexpected status from PUT request: 403 Forbidden/,
    ],
    [
      "volume",
      {
        refuses: { [VOLUME]: new AwsError("VolumeLimitExceeded", "You have exceeded your maximum gp3 storage limit") },
      },
      /creating EBS Volume: .*VolumeLimitExceeded.* Fix: aws service-quotas request-service-quota-increase --service-code ebs/,
    ],
    [
      "network",
      {
        refuses: {
          "aws:ec2/vpc:Vpc": new AwsError("VpcLimitExceeded", "The maximum number of VPCs has been reached."),
        },
      },
      /creating EC2 VPC: .*VpcLimitExceeded.* Fix: aws service-quotas request-service-quota-increase --service-code vpc/,
    ],
  ])("at its %s: up continues, once the cause is gone", async (stage, knobs, line) => {
    const stack = `first-${stage}`;
    operator.addStack(stack);
    const before = inventory();
    fake.cloud.knobs = { ...PATIENT, ...knobs };
    const stderr = await fails(stack, "up", "--no-picture");
    expect(stderr).toMatch(line);
    fake.cloud.knobs = PATIENT;
    await follow(stack, printed(stack, stderr, "up"));
    await expectWhole(stack, before);
  });

  test("at its host, for a quota: up continues, once it is larger", async () => {
    const stack = "first-quota";
    operator.addStack(stack);
    const before = inventory();
    const used = fake.cloud.all(INSTANCE).length * 4;
    fake.cloud.knobs = { ...PATIENT, vcpuQuota: used };
    const stderr = await fails(stack, "up", "--no-picture");
    expect(stderr).toMatch(
      /No host: the account's quota L-DB2E81BA .*Fix: aws service-quotas request-service-quota-increase/,
    );
    // Nothing is lost: it says what there is, and pin, logs and status find their way too.
    const status = await operator.imagegenOf(stack, "status", "--json");
    const volume = volumes().find(({ id }) => !before.has(id));
    expect(JSON.parse(status.stdout)).toMatchObject({ running: false, host: null, volume: { id: volume?.id } });
    fake.cloud.knobs = PATIENT;
    await follow(stack, printed(stack, stderr, "up"));
    await expectWhole(stack, before);
  });

  test("at its host, without capacity in two zones: move-az, and move-az again, leave one volume", async () => {
    const stack = "first-host";
    operator.addStack(stack);
    const before = inventory();
    const full = ["us-east-1a", "us-east-1b"];
    fake.cloud.knobs = { ...PATIENT, noCapacity: ({ zone }) => full.includes(zone) };
    const first = await fails(stack, "up", "--no-picture");
    const [, zone = ""] = printed(stack, first, "move-az");
    expect(zone).toBe("us-east-1b");
    const second = await fails(stack, "move-az", zone, "--yes");
    expect(second).toMatch(/No host: AWS has no g4dn\.xlarge \(on demand\) in us-east-1b now/);
    const next = printed(stack, second, "move-az");
    expect(next[1]).toBe("us-east-1c");
    await follow(stack, next);
    await expectWhole(stack, before);
    expect(operator.stackFile(stack)).toMatch(/availabilityZone: us-east-1c[\s\S]*volumeGeneration: "3"/);
    expect(operator.stackFile(stack)).not.toContain("volumeSnapshotId");
    // The moved stack is as any other: its data is kept from here on.
    expect((await operator.imagegenOf(stack, "up", "--no-picture")).exitCode).toBe(0);
    await expectWhole(stack, before);
  });

  test("in a zone that is configured and offers nothing: refused before anything is made, and the fix goes through", async () => {
    const stack = "first-zone";
    operator.addStack(stack);
    const before = inventory();
    const stderr = await fails(stack, "up", "--no-picture", "--config", "availabilityZone=us-east-1e");
    expect(stderr).toMatch(
      /availabilityZone: expected a zone that offers one of g6\.xlarge, .*got us-east-1e\. Fix: imagegen up/,
    );
    expect(inventory()).toEqual(before);
    const fix = new RegExp(`imagegen up --stack ${stack} (--config availabilityZone=\\S+)`).exec(stderr)?.[1] ?? "";
    await follow(stack, ["up", ...fix.split(" ")]);
    await expectWhole(stack, before);
  });

  test("at its gate: the service's reason, and up continues when the cause is gone", async () => {
    const stack = "first-gate";
    operator.addStack(stack);
    const before = inventory();
    fake.hosts.behave({ kind: "failing", error: "the weights are damaged" });
    const stderr = await fails(stack, "up", "--no-picture");
    expect(stderr).toMatch(
      /is not ready: .*the weights are damaged.*Fix: imagegen logs --stack first-gate, imagegen doctor/,
    );
    const status = JSON.parse((await operator.imagegenOf(stack, "status", "--json")).stdout) as object;
    expect(status).toMatchObject({ running: true, volume: { state: "in-use" } });
    // A volume that a host has mounted is copied, never dropped.
    const dry = await operator.imagegenOf(stack, "move-az", "us-east-1c", "--dry-run");
    expect(dry.stdout).toMatch(/stop the host.*\n.*make a snapshot of vol-.*\n.*and the snapshot.*\n.*is kept$/);
    fake.hosts.behave({});
    await follow(stack, printed(stack, stderr.slice(stderr.indexOf("What was made stays")), "up"));
    await expectWhole(stack, before);
  });

  test("and is given up: down removes it all, with a volume that no host ever mounted", async () => {
    const stack = "first-down";
    operator.addStack(stack);
    const before = inventory();
    fake.cloud.knobs = { ...PATIENT, noCapacity: () => true };
    await fails(stack, "up", "--no-picture");
    const [volume, ...others] = volumes().filter(({ id }) => !before.has(id));
    expect(others).toEqual([]);
    const { stderr, exitCode } = await operator.imagegenOf(stack, "down", "--yes");
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining(`Deleted the volume ${volume?.id}, which no host`)]);
    expect(fake.cloud.inventory().filter(({ id }) => !before.has(id))).toEqual([]);
  });
});
