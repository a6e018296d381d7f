/** The cache is the standard one: Hugging Face's own tools and diffusers read it, offline, in a clean environment. */
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { docker, dockerIfPossible } from "../support/docker.ts";
import { startHub } from "../support/hub.ts";
import { ready } from "../support/service.ts";
import { pythonOn, start } from "./container.ts";
import { SDXL } from "./global-setup.ts";

const VOLUME = "imagegen-e2e-standard";

beforeAll(async () => {
  await dockerIfPossible("volume", "rm", VOLUME);
  const hub = await startHub(inject("modelsRoot"), inject("gateway"));
  const service = await start("imagegen-e2e-standard", {
    volume: VOLUME,
    env: { MODEL_ID: SDXL, HF_ENDPOINT: hub.endpoint },
  });
  await ready(service.url);
  await service.stop();
  await hub.stop();
});

afterAll(async () => dockerIfPossible("volume", "rm", VOLUME));

test("hf cache ls lists the model", async () => {
  const list = await docker(
    "run",
    "--rm",
    "--network",
    "none",
    "-v",
    `${VOLUME}:/data:ro`,
    "--entrypoint",
    "hf",
    inject("image"),
    "cache",
    "ls",
    "--quiet",
  );
  expect(list).toContain(SDXL);
});

test("from_pretrained(id, local_files_only=True) loads it", async () => {
  const code = `
from diffusers import StableDiffusionXLPipeline
pipe = StableDiffusionXLPipeline.from_pretrained("${SDXL}", variant="fp16", local_files_only=True)
print("loaded", type(pipe).__name__, sum(p.numel() for p in pipe.unet.parameters()) > 0)`;
  expect(await pythonOn(VOLUME, code)).toContain("loaded StableDiffusionXLPipeline True");
});

test("image-gen verify agrees, offline", async () => {
  await docker("run", "--rm", "--network", "none", "-v", `${VOLUME}:/data`, inject("image"), "image-gen", "verify");
});
