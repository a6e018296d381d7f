/**
 * States of every version, brought up by this program in the account that they were in: no data, nothing that others refer to, and nothing
 * that docs/upgrading.md does not name, is replaced or deleted; a second up changes nothing.
 */
import { describe, expect, test } from "vitest";
import { text } from "../../aws-fake/kind.ts";
import { succeeded } from "../support/engine-stack.ts";
import { recordedAccount, recordedConfig, recordedStacks, recordedState, VERSIONS } from "../support/fixtures.ts";
import { replaceableTypes } from "../support/upgrade-promise.ts";
import { AwsSetting, awsTests } from "./setting.ts";

const VOLUME = "aws:ebs/volume:Volume";

describe.each(VERSIONS)("states of %s", async (version) => {
  const setting = new AwsSetting();
  await awsTests("on AWS", setting, () => {
    const volumes = () => setting.fake.cloud.all(VOLUME).map(({ id, props }) => [id, text(props.__bytes)]);

    test("are continued: data, networks and roles stay, and what is replaced is what the page says", async () => {
      setting.fake.cloud.restore(recordedAccount(version, setting.project.directory));
      const kept = volumes();
      expect(kept.length).toBeGreaterThan(2);
      expect(kept.every(([, bytes]) => bytes?.startsWith("formatted by"))).toBe(true);
      for (const name of recordedStacks(version).filter((each) => each !== "local")) {
        const stack = await setting.existing(name);
        stack.write(recordedConfig(version, name));
        await stack.import(recordedState(version, name, setting.project.directory));
        const gone = succeeded(await stack.up()).changes.filter((change) => /^(?:delete|replace)/.test(change));
        const types = [...new Set(gone.map((change) => change.split(" ")[1] ?? ""))];
        expect([name, types.filter((type) => !replaceableTypes().includes(type))]).toEqual([name, []]);
        expect([name, succeeded(await stack.up()).changes]).toEqual([name, []]);
      }
      expect(volumes()).toEqual(kept);
      expect(setting.fake.cloud.broken).toEqual([]);
    });
  });
});
