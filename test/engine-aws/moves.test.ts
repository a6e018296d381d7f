/** What moves more than a host: another zone, and a host that a group replaces. */
import { afterEach, expect, test } from "vitest";
import { text } from "../../aws-fake/kind.ts";
import { succeeded } from "../support/engine-stack.ts";
import { AwsSetting, awsTests } from "./setting.ts";
import { Observer } from "./story.ts";

const setting = new AwsSetting();
const VOLUME = "aws:ebs/volume:Volume";
const INSTANCE = "aws:ec2/instance:Instance";

await awsTests("on AWS", setting, () => {
  afterEach(() => expect(setting.fake.cloud.broken).toEqual([]));

  test("a stack moves to another zone with a copy of its data, and the old volume stays", async () => {
    const { cloud } = setting.fake;
    const observer = new Observer(setting.fake);
    const stack = await setting.stack("move", { target: "aws" });
    const before = String(succeeded(await stack.up()).outputs.volumeId);
    const bytes = observer.bytesOf(before);
    const snapshot = setting.fake.snapshotOf(before);
    observer.next();
    const moved = { availabilityZone: "us-east-1b", volumeSnapshotId: snapshot, volumeGeneration: "2" };
    stack.change(moved);
    // The old volume is no part of the program now, and protected: it is unprotected by hand, and retained.
    await stack.unprotect("imagegen:cache:DataVolume$aws:ebs/volume:Volume", "image-gen-data");
    const { outputs } = succeeded(await stack.up());
    const after = String(outputs.volumeId);
    expect(after).not.toBe(before);
    expect(outputs.availabilityZone).toBe("us-east-1b");
    expect([observer.bytesOf(before), observer.bytesOf(after)]).toEqual([bytes, bytes]);
    expect(observer.next().inOrder.filter((line) => !line.startsWith("CreateVolume"))).toEqual([
      "RunInstances new",
      "StopInstances old",
      "DetachVolume Volume 1 from old",
      "AttachVolume Volume 2 to new",
      "TerminateInstances old",
    ]);
    expect(cloud.all(VOLUME)).toHaveLength(2);
    expect(succeeded(await stack.up()).changes).toEqual([]);
  });

  test("a host that heals itself attaches the volume, and the one after it too", async () => {
    const { cloud } = setting.fake;
    const observer = new Observer(setting.fake);
    const stack = await setting.stack("healing", { target: "aws", selfHealing: "true" });
    const volume = String(succeeded(await stack.up()).outputs.volumeId);
    const bytes = observer.bytesOf(volume);
    const holder = () => text(cloud.all(VOLUME).find(({ id }) => id === volume)?.props.__attachedTo);
    const [first] = cloud.all(INSTANCE).filter(({ id }) => id === holder());
    if (!first) throw new Error("no host has the volume");
    setting.fake.lose(first.id);
    const again = succeeded(await stack.up());
    expect(again.changes).toEqual([]);
    expect(holder()).not.toBe(first.id);
    expect(observer.bytesOf(volume)).toBe(bytes);
    expect(succeeded(await stack.up()).changes).toEqual([]);
  });
});
