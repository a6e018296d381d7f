/** The fake against programs that break its rules, under the real engine: what AWS would refuse must fail here too. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Run, succeeded } from "../support/engine-stack.ts";
import { paths } from "../support/paths.ts";
import { AwsSetting, awsTests } from "./setting.ts";

const setting = new AwsSetting(join(paths.root, "test/support/fakes/aws-provider/program"));
const CHANGED = "#!/bin/sh\necho changed\n";

interface Replaced {
  readonly run: Run;
  readonly again: () => Promise<Run>;
  readonly story: readonly string[];
  readonly broken: readonly string[];
}

/** A host of its own, then another script for it; what AWS saw of that. Hosts and volumes are counted from 1. */
async function replacement(name: string, flags: readonly string[], later: readonly string[] = []): Promise<Replaced> {
  const { cloud } = setting.fake;
  const config = Object.fromEntries(flags.map((flag) => [flag, "true"]));
  const stack = await setting.stack(name, config);
  const hosts = cloud.story().filter((line) => line.startsWith("RunInstances")).length;
  const volumes = cloud.story().filter((line) => line.startsWith("CreateVolume")).length;
  succeeded(await stack.up());
  const mark = cloud.calls.length;
  const broken = cloud.broken.length;
  stack.change({ userData: CHANGED, ...Object.fromEntries(later.map((flag) => [flag, "true"])) });
  const run = await stack.up();
  const counted = (line: string) =>
    line
      .replaceAll(/host (\d+)/g, (_, number: string) => `host ${Number(number) - hosts}`)
      .replaceAll(/Volume (\d+)/g, (_, number: string) => `volume ${Number(number) - volumes}`);
  return {
    run,
    again: async () => stack.up(),
    story: cloud.story(mark).map(counted),
    broken: cloud.broken.slice(broken).map(counted),
  };
}

await awsTests("the fake of AWS, asked to replace a host", setting, () => {
  test("as Pulumi does by default: refused, and refused again", async () => {
    const { run, again, story } = await replacement("defaults", []);
    expect(run.ok).toBe(false);
    expect(run.text).toContain("VolumeInUse");
    expect(story).toEqual(["RunInstances host 2"]);
    const second = await again();
    expect(second.ok).toBe(false);
    expect(second.text).toContain("VolumeInUse");
  });

  test("with the attachment replaced first, but no stop: done, and recorded as unsafe", async () => {
    const { run, story, broken } = await replacement("unsafe", ["attachmentFirst"]);
    succeeded(run);
    expect(story).toEqual([
      "RunInstances host 2",
      "DetachVolume volume 1 from host 1",
      "AttachVolume volume 1 to host 2",
      "TerminateInstances host 1",
    ]);
    expect(broken).toEqual(["volume 1 detached from a running host (host 1)"]);
  });

  test("create-first: in the right order, and no rule is broken", async () => {
    const { run, story, broken } = await replacement("create-first", ["attachmentFirst", "stop"]);
    succeeded(run);
    expect(story).toEqual([
      "RunInstances host 2",
      "StopInstances host 1",
      "DetachVolume volume 1 from host 1",
      "AttachVolume volume 1 to host 2",
      "TerminateInstances host 1",
    ]);
    expect(broken).toEqual([]);
  });

  test("delete-first: in the right order, and no rule is broken", async () => {
    const { run, story, broken } = await replacement("delete-first", ["instanceFirst", "stop"]);
    succeeded(run);
    expect(story).toEqual([
      "StopInstances host 1",
      "DetachVolume volume 1 from host 1",
      "TerminateInstances host 1",
      "RunInstances host 2",
      "AttachVolume volume 1 to host 2",
    ]);
    expect(broken).toEqual([]);
  });

  test("with a stop that is asked for only now: too late, the state does not have it", async () => {
    const { run, broken } = await replacement("late", ["attachmentFirst"], ["stop"]);
    succeeded(run);
    expect(broken).toEqual(["volume 1 detached from a running host (host 1)"]);
  });
});

await awsTests("the fake of AWS, asked for what it does not give", setting, () => {
  test.each([
    ["zone", { zone: "us-east-1b" }, "InvalidVolume.ZoneMismatch"],
    ["ratio", { throughput: "800" }, "Throughput (MiBps) to iops ratio"],
    ["root", { rootSize: "20" }, "expect size >= 30GB"],
  ])("says no: %s", async (name, config, reason) => {
    const refused = await (await setting.stack(name, config)).up();
    expect(refused.ok).toBe(false);
    expect(refused.text).toContain(reason);
  });
});
