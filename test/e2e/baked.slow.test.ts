/** The baked image: the model in /opt/models, verified at build; starts with no network, no volume and no token left. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { docker, dockerIfPossible } from "../support/docker.ts";
import { startHub } from "../support/hub.ts";
import { paths } from "../support/paths.ts";
import { eventually } from "../support/wait.ts";
import { start } from "./container.ts";
import { OTHER } from "./global-setup.ts";

const NAME = "imagegen-e2e-baked";
const IMAGE = "image-gen:e2e-baked";
const TOKEN = "hf_not_a_real_token_for_the_test";

beforeAll(async () => {
  writeLora(join(inject("modelsRoot"), "test/sketch"));
  const hub = await startHub(inject("modelsRoot"), inject("gateway"));
  await hub.knobs({ gated: true });
  await execa(
    "docker",
    ["build", "--secret", "id=hf_token,env=HF_TOKEN", "--build-arg", `BASE_IMAGE=${inject("baseImage")}`].concat([
      "--build-arg",
      `MODEL_ID=${OTHER}`,
      "--build-arg",
      "LORAS=sketch=test/sketch,own=/data/own.safetensors",
      "--build-arg",
      `HF_ENDPOINT=${hub.endpoint}`,
      "-t",
      IMAGE,
      paths.imageGen,
    ]),
    { env: { DOCKER_BUILDKIT: "1", HF_TOKEN: TOKEN }, stdio: ["ignore", "ignore", "pipe"] },
  );
  await hub.stop();
});

afterAll(async () => {
  await dockerIfPossible("rm", "-f", NAME);
  await dockerIfPossible("rmi", IMAGE);
});

/** For one layer of the demo model's UNet, in the names and the file of diffusers. */
function writeLora(folder: string): void {
  const layer = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q";
  const bytes = 4 * 4 * 64;
  const header = JSON.stringify({
    [`${layer}.lora_A.weight`]: { dtype: "F32", shape: [4, 64], data_offsets: [0, bytes] },
    [`${layer}.lora_B.weight`]: { dtype: "F32", shape: [64, 4], data_offsets: [bytes, 2 * bytes] },
  });
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const weights = Float32Array.from({ length: 2 * 4 * 64 }, (_, index) => Math.sin(index));
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, "pytorch_lora_weights.safetensors"),
    Buffer.concat([length, Buffer.from(header), Buffer.from(weights.buffer)]),
  );
}

test("makes pictures, with its LoRA and without, with --network none and nothing at /data", async () => {
  // The image's own list has a LoRA that is a path, and nothing is there.
  const env = { IMAGE_GEN_LORAS: "sketch=test/sketch" };
  const service = await start(NAME, { image: IMAGE, network: "none", env });
  const ask = `
import json, urllib.request
state = json.load(urllib.request.urlopen("http://127.0.0.1:8000/readyz"))
def picture(loras):
    body = json.dumps({"prompt": "a lighthouse", "steps": 2, "seed": 7, "loras": loras}).encode()
    request = urllib.request.Request("http://127.0.0.1:8000/v1/images/generations", body, {"content-type": "application/json"})
    return json.load(urllib.request.urlopen(request))["data"][0]["b64_json"]
plain, changed = picture([]), picture([{"name": "sketch"}])
print(json.dumps([state["model"], state["source"], len(plain) > 100, changed != plain, picture([]) == plain]))`;
  await eventually(
    "a ready baked service",
    async () =>
      (
        await execa(
          "docker",
          ["exec", NAME, "python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz')"],
          { reject: false },
        )
      ).exitCode === 0,
    240,
  );
  expect(JSON.parse(await docker("exec", NAME, "python", "-c", ask))).toEqual([OTHER, "baked", true, true, true]);
  await service.stop();
});

test("the token is in no layer, no history and no environment", async () => {
  expect(await docker("history", "--no-trunc", IMAGE)).not.toContain(TOKEN);
  expect(await docker("inspect", IMAGE)).not.toContain(TOKEN);
  const found = await execa(
    "docker",
    [
      "run",
      "--rm",
      "--network",
      "none",
      "--user",
      "0",
      "--entrypoint",
      "grep",
      IMAGE,
      "-rlI",
      TOKEN,
      "/opt/models",
      "/opt/image-gen",
      "/root",
      "/etc",
      "/tmp",
      "/var",
    ],
    { reject: false },
  );
  expect(found.stdout.trim()).toBe("");
});

test("the code lies above the weights, in layers under 3 MB before compression", async () => {
  const layers = await layersOf(IMAGE);
  const find = (source: string) => layers.findIndex((layer) => layer.command.includes(`COPY ${source} `));
  for (const code of [find("/opt/image-gen"), find("/opt/model_cache")]) {
    expect(code).toBeGreaterThanOrEqual(0);
    expect(code).toBeLessThan(find("/opt/models"));
    expect(layers[code]?.bytes).toBeLessThan(3_000_000);
  }
});

test("the image without a model is at most 6.1 GB", async () => {
  const parts = (await layersOf(inject("image"))).filter((layer) => layer.bytes > 0);
  const total = parts.reduce((sum, layer) => sum + layer.bytes, 0);
  for (const { bytes, command } of parts)
    console.log(`${(bytes / 1e6).toFixed(1).padStart(8)} MB  ${command.slice(0, 80)}`);
  console.log(`${(total / 1e6).toFixed(1).padStart(8)} MB  in all`);
  expect(total).toBeLessThanOrEqual(6.1e9);
});

/** The layers of an image, the newest first. */
async function layersOf(image: string): Promise<{ bytes: number; command: string }[]> {
  const lines = await docker("history", "--human=false", "--no-trunc", "--format", "{{.Size}}\t{{.CreatedBy}}", image);
  return lines.split("\n").map((line) => {
    const [bytes = "", command = ""] = line.split("\t");
    return { bytes: Number(bytes), command };
  });
}
