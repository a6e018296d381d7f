/** The state that a stack on Docker of every version left, brought up by this program: the volume stays, with what is in it. */
import { afterAll, describe, expect, test } from "vitest";
import { HARDENING } from "../../infra/contract.ts";
import { baseImage } from "../support/base-image.ts";
import { docker, dockerIfPossible, removeImages } from "../support/docker.ts";
import { succeeded } from "../support/engine-stack.ts";
import { recordedConfig, recordedState, VERSIONS } from "../support/fixtures.ts";
import { replaceableTypes } from "../support/upgrade-promise.ts";
import { engineTests, Setting, VOLUME } from "./setting.ts";

const PREFIX = "Picture-Perfect-Challenge:";

describe.each(VERSIONS)("the state of %s", async (version) => {
  const setting = new Setting("kept", "stub");
  await engineTests("on Docker", setting, () => {
    const config = recordedConfig(version, "local");
    const volume = config[`${PREFIX}volumeName`] ?? "";

    afterAll(async () => {
      await dockerIfPossible("rm", "-f", config[`${PREFIX}containerName`] ?? "");
      await dockerIfPossible("volume", "rm", volume);
      await removeImages(config[`${PREFIX}imageName`] ?? "");
    });

    test("is continued: the volume keeps its bytes, and what is replaced is what the page says", async () => {
      // A stack's own base image and port: those of the fixture may be nowhere, or taken.
      const stack = await setting.stack("local", { modelId: "stub/ready" });
      const own = ["containerName", "volumeName", "imageName"].map((key) => [key, config[PREFIX + key] ?? ""]);
      stack.change(Object.fromEntries(own));
      const state = recordedState(version, "local", setting.project.directory);
      const kept = state.deployment.resources?.find(({ type }) => type === VOLUME);
      expect(kept).toMatchObject({ id: volume, outputs: { name: volume } });
      await docker("volume", "create", volume);
      const image = (await baseImage()).reference ?? "";
      const mark = ["run", "--rm", "--volume", `${volume}:/data`, "--entrypoint", "sh", image, "-c"];
      // As the service that filled it, whose user owns it.
      const fill = `mkdir -p /data/huggingface && echo precious > /data/huggingface/mark && chown -R ${HARDENING.user} /data`;
      await docker(...mark, fill);
      await stack.import(state);
      const { changes } = succeeded(await stack.up({ refresh: true }));
      const gone = changes.filter((change) => /^(?:delete|replace)/.test(change)).map((change) => change.split(" ")[1]);
      expect(gone.filter((type) => !replaceableTypes().includes(type ?? ""))).toEqual([]);
      expect(changes.filter((change) => change.includes(VOLUME))).toEqual([]);
      expect(await docker(...mark, "cat /data/huggingface/mark")).toBe("precious");
      expect(succeeded(await stack.up({ expectNoChanges: true })).changes).toEqual([]);
    });
  });
});
