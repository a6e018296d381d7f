import { expect, test } from "vitest";
import { ModelVolume } from "../../infra/docker/volume.ts";
import { known } from "../support/outputs.ts";
import { runProgram, theOnly } from "../support/program.ts";
import { planWith } from "../support/settings.ts";

const VOLUME = "docker:index/volume:Volume";

test.each([["volume"], ["baked"]] as const)(
  "%s mode has one volume, under the name that Compose uses",
  async (modelCache) => {
    const { cache } = planWith({ modelCache });
    const { resources, result } = await runProgram(async () => {
      return known(new ModelVolume("image-gen", { plan: cache }).volumeName);
    });
    expect(resources.map(({ type, name }) => [type, name])).toEqual([
      ["imagegen:cache:ModelVolume", "image-gen"],
      [VOLUME, "image-gen-volume"],
    ]);
    expect(theOnly(resources, VOLUME).inputs).toEqual({ name: "Picture-Perfect-Challenge_image_data" });
    expect(result).toBe("Picture-Perfect-Challenge_image_data");
  },
);

test.each([
  ["retain", true],
  ["delete", false],
] as const)("onDestroy %s: retained is %s, and nothing of it can replace the volume", async (onDestroy, retained) => {
  const { cache } = planWith({ onDestroy });
  const { resources } = await runProgram(() => new ModelVolume("image-gen", { plan: cache }));
  const { options } = theOnly(resources, VOLUME);
  expect(options.retainOnDelete).toBe(retained);
  expect(options.ignoreChanges).toEqual(["labels", "driver", "driverOpts"]);
  expect(options.protect).toBe(false);
});

test("a folder of this machine is no resource, so that nothing makes or deletes it", async () => {
  const { cache } = planWith({ volumeName: "/srv/models" });
  const { resources, result } = await runProgram(async () =>
    known(new ModelVolume("image-gen", { plan: cache }).volumeName),
  );
  expect(resources.map(({ type }) => type)).toEqual(["imagegen:cache:ModelVolume"]);
  expect(result).toBe("/srv/models");
});
