import { expect, test } from "vitest";
import { ServingImage } from "../../infra/docker/image.ts";
import { known, read } from "../support/outputs.ts";
import { runProgram, theOnly } from "../support/program.ts";
import { planWith } from "../support/settings.ts";

const IMAGE = "docker:index/remoteImage:RemoteImage";
const CONTENT = "0123456789abcdef".repeat(4);
const volumeMode = planWith().image;
const bakedMode = planWith({ modelCache: "baked", modelId: "org/model", hasToken: true, buildNetwork: "host" }).image;

test("one image, built by the daemon's BuildKit and kept", async () => {
  const { resources } = await runProgram(() => new ServingImage("image-gen", { plan: volumeMode, content: CONTENT }));
  expect(resources.map(({ type, name }) => [type, name])).toEqual([
    ["imagegen:image:ServingImage", "image-gen"],
    [IMAGE, "image-gen-image"],
  ]);
  expect(theOnly(resources, "imagegen:image:ServingImage").inputs).toEqual({});
  expect(theOnly(resources, IMAGE).inputs).toEqual({
    name: "image-gen:0123456789abcdef",
    keepLocally: true,
    triggers: { content: CONTENT },
    build: {
      context: "image-gen",
      builder: "default",
      buildArgs: { BASE_IMAGE: "python:3.12.12-slim-bookworm" },
      label: { "imagegen.content": CONTENT },
      buildLogFile: ".imagegen/logs/image-build.log",
      provenance: "false",
    },
  });
});

test("baked, the model's arguments go in, and the token only as a BuildKit secret", async () => {
  const { resources } = await runProgram(
    () =>
      new ServingImage("image-gen", {
        plan: bakedMode,
        content: CONTENT,
        secretFiles: [{ id: "hf_token", src: "token-file" }],
      }),
  );
  expect(theOnly(resources, IMAGE).inputs.build).toEqual({
    context: "image-gen",
    builder: "default",
    buildArgs: { BASE_IMAGE: "python:3.12.12-slim-bookworm", MODEL_ID: "org/model" },
    label: { "imagegen.content": CONTENT },
    buildLogFile: ".imagegen/logs/image-build.log",
    provenance: "false",
    networkMode: "host",
    secrets: [{ id: "hf_token", src: "token-file" }],
  });
});

test("a container is given the image's id, which a preview of a new image can't know", async () => {
  const image = () => new ServingImage("image-gen", { plan: volumeMode, content: CONTENT });
  const up = await runProgram(async () => known(image().imageId));
  expect(up.result).toBe("sha256:1234");
  const preview = await runProgram(async () => read(image().imageId), { preview: true });
  expect(preview.result.known).toBe(false);
});

test("an image that was put under this one's tag changes the triggers; other tags are the build's alone", async () => {
  const args = { plan: volumeMode, content: CONTENT, foreign: "sha256:f", extraTags: ["image-gen:volume"] };
  const { resources } = await runProgram(() => new ServingImage("image-gen", args));
  const { inputs } = theOnly(resources, IMAGE);
  expect(inputs.triggers).toEqual({ content: CONTENT, instead: "sha256:f" });
  expect(inputs).toMatchObject({ name: "image-gen:0123456789abcdef", build: { tags: ["image-gen:volume"] } });
});

test("the id is that of the image with this content, whatever the provider found under the tag", async () => {
  const identify = async (found: string) => `${found} identified`;
  const { result } = await runProgram(async () =>
    known(new ServingImage("image-gen", { plan: volumeMode, content: CONTENT, identify }).imageId),
  );
  expect(result).toBe("sha256:1234 identified");
});
