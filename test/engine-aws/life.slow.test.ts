/** A stack on AWS from its first deploy to its end: the stack files as they are, failures and what fixes them, and the data at each end. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Cloud } from "../../aws-fake/cloud.ts";
import { record, text } from "../../aws-fake/kind.ts";
import { type Config, type EngineStack, failed, type Run, succeeded } from "../support/engine-stack.ts";
import { AwsSetting, awsTests } from "./setting.ts";
import { Observer } from "./story.ts";

const setting = new AwsSetting();
const VOLUME = "aws:ebs/volume:Volume";
const INSTANCE = "aws:ec2/instance:Instance";
const REPOSITORY = "aws:ecr/repository:Repository";
/** Its images go with the stack. */
const GONE = { imagesOnDestroy: "delete" };
/** Deployed once, for the tests that change it one after another; its host is the newest one. */
const SHARED = "shared";
const PATIENT = new Cloud().knobs;

await awsTests("a stack on AWS", setting, () => {
  let observer: Observer;

  beforeEach(() => {
    observer = new Observer(setting.fake);
    observer.next();
  });

  afterEach(() => {
    setting.fake.cloud.knobs = PATIENT;
    setting.fake.cloud.silentSeconds = 0;
    setting.fake.hosts.behave({});
    expect(setting.fake.cloud.broken).toEqual([]);
  });

  const volumes = () => setting.fake.cloud.all(VOLUME);
  const repositoriesOf = (stack: string) =>
    setting.fake.cloud.all(REPOSITORY).filter(({ props }) => record(props.tags)["imagegen:stack"] === stack);
  const hosts = () => setting.fake.cloud.all(INSTANCE);

  describe.each(["aws-volume", "aws-baked"])("of stacks/Pulumi.%s.yaml as it is", (name) => {
    test("is previewed in time, deployed, and then has nothing to change", async () => {
      const stack = await setting.existing(name);
      // A machine with other things to do takes longer, but not more.
      const preview = succeeded(await stack.preview());
      expect(preview.cpuSeconds).toBeGreaterThan(1);
      expect(Math.min(preview.seconds, preview.cpuSeconds)).toBeLessThan(8);
      succeeded(await stack.up());
      expect(observer.next().inOrder.slice(-2)).toEqual([
        expect.stringMatching(/^RunInstances /),
        expect.stringMatching(/^AttachVolume /),
      ]);
      expect(succeeded(await stack.up()).changes).toEqual([]);
    });
  });

  /** Stacks that one test deployed, for the later ones that change or destroy them. */
  const deployed = new Map<string, { readonly stack: EngineStack; readonly volumeId: string }>();

  /** The stack, deployed with this config unless an earlier test did that. */
  async function deployedStack(name: string, config: Config = {}) {
    const found = deployed.get(name);
    if (found) return found;
    const stack = await setting.stack(name, { target: "aws", ...config });
    return keep(name, stack, succeeded(await stack.up()));
  }

  function keep(name: string, stack: EngineStack, { outputs }: Run) {
    const made = { stack, volumeId: String(outputs.volumeId) };
    deployed.set(name, made);
    return made;
  }

  test("resumes after a deploy that failed half-way", async () => {
    const stack = await setting.stack("snapshot", { target: "aws", ...GONE, onDestroy: "snapshot" });
    const before = hosts().length;
    setting.fake.cloud.knobs = { ...PATIENT, failNext: ["aws:ec2/volumeAttachment:VolumeAttachment"] };
    expect(failed(await stack.up())).toContain("RequestTimeout");
    keep("snapshot", stack, succeeded(await stack.up()));
    expect(hosts().length).toBe(before + 1);
  });

  test("comes up where AWS is eventually consistent", async () => {
    const stack = await setting.stack("delete", { target: "aws", ...GONE, onDestroy: "delete" });
    setting.fake.cloud.knobs = { ...PATIENT, lag: 2, staleReads: 2 };
    keep("delete", stack, succeeded(await stack.up()));
  });

  test.each([
    ["snapshot", ["CreateSnapshot", "DeleteVolume"]],
    ["delete", ["DeleteVolume"]],
  ])("that is destroyed with onDestroy %s does so", async (onDestroy, ends) => {
    const { stack, volumeId } = await deployedStack(onDestroy, { ...GONE, onDestroy });
    expect(repositoriesOf(stack.name)).toHaveLength(1);
    expect(volumes().map(({ id }) => id)).toContain(volumeId);
    observer.next();
    succeeded(await stack.destroy());
    const { inOrder } = observer.next();
    expect(inOrder.map((line) => line.split(" ")[0])).toEqual([
      "StopInstances",
      "DetachVolume",
      "TerminateInstances",
      ...ends,
    ]);
    expect(volumes().map(({ id }) => id)).not.toContain(volumeId);
    expect(repositoriesOf(stack.name)).toEqual([]);
  });

  test("whose service fails reports why at every up, until it is fixed", async () => {
    const stack = await setting.stack("failing", { target: "aws" });
    setting.fake.hosts.behave({ kind: "failing", error: "the weights are damaged" });
    expect(failed(await stack.up())).toMatch(/is not ready: .*the weights are damaged/);
    expect(failed(await stack.up())).toMatch(/is not ready: .*the weights are damaged/);
    setting.fake.hosts.behave({});
    expect(succeeded(await stack.up()).changes).toEqual([]);
  });

  test("whose host never says a word is given up in time", async () => {
    const stack = await setting.stack("silent", { target: "aws", readyTimeoutSeconds: "10" });
    setting.fake.hosts.behave({ kind: "silent" });
    const run = await stack.up();
    expect(failed(run)).toContain("is not ready");
    expect(run.seconds).toBeLessThan(60);
  });

  test("has nothing to change when Amazon releases a newer image, nor after a look at what is there", async () => {
    const { stack } = await deployedStack(SHARED);
    const newest = [...PATIENT.released.keys()].map((name) => [name, "ami-0ca77a28d8801702b"] as const);
    setting.fake.cloud.knobs = { ...PATIENT, released: new Map(newest) };
    expect(succeeded(await stack.up()).changes).toEqual([]);
    expect(succeeded(await stack.refresh()).changes).toEqual([]);
    expect(succeeded(await stack.up()).changes).toEqual([]);
  });

  test("without capacity or quota says so in one line, soon, and keeps the old host at work", async () => {
    const { stack } = await deployedStack(SHARED);
    const old = hosts().at(-1);
    stack.change({ pinnedInstanceType: "g5.xlarge" });

    setting.fake.cloud.knobs = { ...PATIENT, noCapacity: () => true };
    const capacity = failed(await stack.up());
    expect(capacity).toMatch(
      /error: No host: AWS has no g5\.xlarge \(on demand\) in us-east-1a now \(InsufficientInstanceCapacity\)\. Not tried: .* Fix: /,
    );
    expect(setting.fake.cloud.silentSeconds).toBeLessThan(60);

    setting.fake.cloud.knobs = { ...PATIENT, vcpuQuota: 4 * hosts().length };
    const quota = failed(await stack.up());
    expect(quota).toMatch(
      /error: No host: the account's quota L-DB2E81BA .*has no room for g5\.xlarge .*Fix: .*delete-first/,
    );

    expect(hosts().at(-1)?.id).toBe(old?.id);
    expect(text(old?.props.instanceState)).toBe("running");
    expect(observer.next().inOrder.filter((line) => /Stop|Detach/.test(line))).toEqual([]);

    // The fix in the line: one host's quota is enough when the old one goes first.
    stack.change({ replacement: "delete-first" });
    succeeded(await stack.up());
  });

  test("is refused in a zone without any of its types, before anything is made", async () => {
    const stack = await setting.stack("nowhere", { target: "aws", availabilityZone: "us-east-1e" });
    const line =
      /availabilityZone: expected a zone that offers one of g6\.xlarge, .*, got us-east-1e\. Fix: pulumi config set availabilityZone us-east-1a/;
    expect(failed(await stack.preview())).toMatch(line);
    expect(failed(await stack.up())).toMatch(line);
    expect(observer.next().inOrder).toEqual([]);
  });

  test("refuses another zone than its volume's, and touches nothing", async () => {
    const { stack } = await deployedStack(SHARED);
    observer.next();
    stack.change({ availabilityZone: "us-east-1b" });
    expect(failed(await stack.up())).toMatch(
      /availabilityZone: expected us-east-1a, .* got us-east-1b\. Fix: imagegen move-az/,
    );
    expect(observer.next().inOrder).toEqual([]);
    stack.change({ availabilityZone: undefined });
  });

  test("that is destroyed leaves its volume, which another one takes over with all that is on it", async () => {
    const { stack, volumeId: id } = await deployedStack(SHARED);
    const bytes = observer.bytesOf(id);
    observer.next();
    expect(failed(await stack.destroy())).toContain("because it is protected");
    expect(observer.next().inOrder).toEqual([
      "StopInstances old",
      expect.stringMatching(/^DetachVolume /),
      "TerminateInstances old",
    ]);
    expect(volumes().map((volume) => volume.id)).toContain(id);

    // Deployed once more it is its own again, with the repository that its images are in; then it is given away.
    const images = repositoriesOf(stack.name);
    expect(images).toHaveLength(1);
    const { volumeId, repositoryUrl } = succeeded(await stack.up()).outputs;
    expect([volumeId, repositoryUrl]).toEqual([id, images[0]?.props.repositoryUrl]);
    expect(repositoriesOf(stack.name)).toEqual(images);
    expect(observer.bytesOf(id)).toBe(bytes);
    succeeded(await stack.destroy("--exclude-protected"));
    expect(repositoriesOf(stack.name)).toHaveLength(1);

    const next = await setting.stack("adopted", { target: "aws", ...GONE, volumeId: id });
    expect(succeeded(await next.up()).outputs.volumeId).toBe(id);
    expect(observer.bytesOf(id)).toBe(bytes);
    expect(succeeded(await next.up()).changes).toEqual([]);
    succeeded(await next.destroy());
    expect(observer.bytesOf(id)).toBe(bytes);
  });
});
