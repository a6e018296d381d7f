/** Each kind of change to a stack on AWS, one after another on one stack: what is called, in which order, and that the data stays. */

import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { type EngineStack, succeeded } from "../support/engine-stack.ts";
import { CHANGES, KEY } from "./changes.ts";
import { AwsSetting, awsTests } from "./setting.ts";
import { Observer } from "./story.ts";

const setting = new AwsSetting();
await awsTests("changes of a stack on AWS", setting, () => {
  let stack: EngineStack;
  let observer: Observer;
  let volumeId = "";
  let bytes = "";

  beforeAll(async () => {
    observer = new Observer(setting.fake);
    setting.fake.cloud.add("aws:kms/key:Key", "1", { arn: KEY, keyId: "1" });
    stack = await setting.stack("changes", { target: "aws" });
    const { outputs } = succeeded(await stack.up());
    volumeId = String(outputs.volumeId);
    bytes = observer.bytesOf(volumeId);
    expect(observer.next().broken).toEqual([]);
    expect(bytes).toMatch(/^formatted by host 1/);
  });

  test.each(CHANGES)("$name", async ({ config = {}, file, line = "# changed", inOrder = [], besides = [] }) => {
    stack.change(config);
    if (file) appendFileSync(join(setting.project.directory, file), `\n${line}\n`);
    const { outputs } = succeeded(await stack.up());
    const story = observer.next();
    expect(story).toEqual({ inOrder, besides, broken: [] });
    expect(outputs.volumeId).toBe(volumeId);
    expect(observer.bytesOf(volumeId)).toBe(bytes);
  });

  test("nothing more to change", async () => {
    expect(succeeded(await stack.up()).changes).toEqual([]);
    expect(observer.next()).toEqual({ inOrder: [], besides: [], broken: [] });
  });
});
