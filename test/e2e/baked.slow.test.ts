/** The baked image: the model in /opt/models, verified at build; starts with no network, no volume and no token left. */
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
  const hub = await startHub(inject("modelsRoot"), inject("gateway"));
  await hub.knobs({ gated: true });
  await execa(
    "docker",
    ["build", "--secret", "id=hf_token,env=HF_TOKEN", "--build-arg", `BASE_IMAGE=${inject("baseImage")}`].concat([
      "--build-arg",
      `MODEL_ID=${OTHER}`,
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

test("makes a picture with --network none and nothing at /data", async () => {
  const service = await start(NAME, { image: IMAGE, network: "none" });
  const ask = `
import json, urllib.request
state = json.load(urllib.request.urlopen("http://127.0.0.1:8000/readyz"))
body = json.dumps({"prompt": "a lighthouse", "steps": 2}).encode()
request = urllib.request.Request("http://127.0.0.1:8000/v1/images/generations", body, {"content-type": "application/json"})
print(json.dumps([state["model"], state["source"], len(json.load(urllib.request.urlopen(request))["data"][0]["b64_json"]) > 100]))`;
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
  expect(JSON.parse(await docker("exec", NAME, "python", "-c", ask))).toEqual([OTHER, "baked", true]);
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
