import { expect, test } from "vitest";
import { imageTriggers, ServingImage } from "../../infra/docker/image.ts";
import { known, read } from "../support/outputs.ts";
import { runProgram, theOnly } from "../support/program.ts";
import { planWith } from "../support/settings.ts";

const IMAGE = "docker:index/remoteImage:RemoteImage";
const volumeMode = planWith().image;
const bakedMode = planWith({ modelCache: "baked", modelId: "org/model", hasToken: true, buildNetwork: "host" }).image;

test("one image, built by the daemon's BuildKit and kept", async () => {
  const { resources } = await runProgram(() => new ServingImage("image-gen", { plan: volumeMode, contextHash: "abc" }));
  expect(resources.map(({ type, name }) => [type, name])).toEqual([
    ["imagegen:image:ServingImage", "image-gen"],
    [IMAGE, "image-gen-image"],
  ]);
  expect(theOnly(resources, "imagegen:image:ServingImage").inputs).toEqual({});
  expect(theOnly(resources, IMAGE).inputs).toEqual({
    name: "image-gen:volume",
    keepLocally: true,
    triggers: imageTriggers(volumeMode, "abc"),
    build: {
      context: "image-gen",
      builder: "default",
      buildArgs: { BASE_IMAGE: "python:3.12.12-slim-bookworm" },
      buildLogFile: ".imagegen/logs/image-build.log",
      provenance: "false",
    },
  });
});

test("baked, the model's arguments go in, and the token only as a BuildKit secret", async () => {
  const { resources } = await runProgram(
    () => new ServingImage("image-gen", { plan: bakedMode, contextHash: "abc", tokenFile: "token-file" }),
  );
  expect(theOnly(resources, IMAGE).inputs.build).toEqual({
    context: "image-gen",
    builder: "default",
    buildArgs: { BASE_IMAGE: "python:3.12.12-slim-bookworm", MODEL_ID: "org/model" },
    buildLogFile: ".imagegen/logs/image-build.log",
    provenance: "false",
    networkMode: "host",
    secrets: [{ id: "hf_token", src: "token-file" }],
  });
});

test("a container is given the image's id, which a preview of a new image can't know", async () => {
  const image = () => new ServingImage("image-gen", { plan: volumeMode, contextHash: "abc" });
  const up = await runProgram(async () => known(image().imageId));
  expect(up.result).toBe("sha256:1234");
  const preview = await runProgram(async () => read(image().imageId), { preview: true });
  expect(preview.result.known).toBe(false);
});
