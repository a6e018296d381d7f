/** A checkpoint, one file of a repository on the hub, as the model of a container: downloaded alone, and then served without the hub. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { docker, dockerIfPossible } from "../support/docker.ts";
import { type Hub, startHub } from "../support/hub.ts";
import { paths } from "../support/paths.ts";
import { pythonEnvironment } from "../support/python.ts";
import { ready } from "../support/service.ts";
import { start } from "./container.ts";

const NAME = "imagegen-e2e-checkpoint";
const MODEL = "test/files/own.safetensors";
/** The configurations of checkpoints in the image: a model of their size would be gigabytes, so that smaller ones take their place. */
const CONFIGS = "/opt/image-gen/src/image_gen/worker/checkpoints";
const folder = mkdtempSync(join(tmpdir(), "imagegen-checkpoint-"));
const files = {
  [`${CONFIGS}/stable-diffusion-xl.json`]: join(folder, "configs/stable-diffusion-xl.json"),
};
let hub: Hub;

beforeAll(async () => {
  await dockerIfPossible("volume", "rm", NAME);
  const places = [join(folder, "configs"), join(folder, "hub", MODEL)];
  await execa(await pythonEnvironment(), ["-m", "tests.worker.small_checkpoint", ...places], {
    cwd: paths.imageGen,
    env: { PYTHONPATH: "src:." },
  });
  hub = await startHub(join(folder, "hub"), inject("gateway"));
});

afterAll(async () => {
  await dockerIfPossible("rm", "-f", NAME);
  await dockerIfPossible("volume", "rm", NAME);
  await hub.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function picture(url: string): Promise<string> {
  const response = await fetch(`${url}/v1/images/generations`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ prompt: "a lighthouse", model: MODEL, seed: 7, steps: 2, size: "64x64" }),
  });
  const body = (await response.json()) as { data?: { b64_json: string }[] };
  expect(response.status, JSON.stringify(body)).toBe(200);
  return body.data?.[0]?.b64_json ?? "";
}

test("is downloaded alone, and makes the same picture after a restart with the hub gone", async () => {
  const options = { volume: NAME, files, env: { MODEL_ID: MODEL, HF_ENDPOINT: hub.endpoint } };
  const first = await start(NAME, options);
  const { model, revision } = await ready(first.url);
  expect([model, revision]).toEqual([MODEL, expect.stringMatching(/^[0-9a-f]{40}$/)]);
  const made = await picture(first.url);
  const asked = (await hub.requests()).map(({ path }) => path).filter((path) => path.includes("/resolve/"));
  expect(new Set(asked.map((path) => path.split("/").at(-1)))).toEqual(new Set(["own.safetensors"]));
  const verified = await docker("exec", NAME, "image-gen", "verify");
  expect(verified).toContain("ok");
  await first.stop();
  await hub.stop();
  const second = await start(NAME, options);
  await ready(second.url);
  expect(await picture(second.url)).toBe(made);
  await second.stop();
});
