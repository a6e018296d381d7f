/** The workflow that fills a mirror: the real download and upload, from a hub on loopback to a bucket of moto's. Installs from the package index. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Moto } from "../support/fakes/moto/moto.ts";
import { type Hub, makeModels, startHub } from "../support/hub.ts";
import { paths } from "../support/paths.ts";

const MODEL = "acme/tiny";
let moto: Moto;
let hub: Hub;
let root: string;

beforeAll(async () => {
  root = await makeModels({ [MODEL]: {} });
  mkdirSync(join(root, "acme/sketch"));
  for (const name of ["small", "other"]) writeFileSync(join(root, `acme/sketch/${name}.safetensors`), name.repeat(900));
  [moto, hub] = await Promise.all([Moto.start(), startHub(root, "127.0.0.1")]);
  await fetch(`${moto.url}/models`, { method: "PUT" });
});
afterAll(async () => {
  moto.stop();
  await hub.stop();
  rmSync(root, { recursive: true, force: true });
});

const LORA = "acme/sketch/small.safetensors";

const mirror = (model: string, loras = "") =>
  execa(join(paths.root, "scripts/ci/mirror.sh"), {
    cwd: paths.root,
    env: {
      IMAGEGEN_MODEL: model,
      IMAGEGEN_MIRROR: "s3://models/prefix",
      IMAGEGEN_LORAS: loras,
      HF_ENDPOINT: hub.endpoint,
      AWS_ENDPOINT_URL: moto.url,
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
      AWS_REGION: "us-east-1",
      GITHUB_ACTIONS: "",
    },
    reject: false,
    all: true,
  });

/** Key and content of each object: moto's ETag of what was sent in one piece is its MD5. */
async function objects(): Promise<Map<string, string>> {
  const list = await (await fetch(`${moto.url}/models?list-type=2`)).text();
  const found = [...list.matchAll(/<Key>(.*?)<\/Key>.*?<ETag>"(.*?)"<\/ETag>/g)];
  return new Map(found.map(([, key = "", etag = ""]) => [key, etag]));
}

test("the bucket gets the files of the model and its LoRAs as the hub has them, and lists of them", async () => {
  const ended = await mirror(MODEL, `small=${LORA},own=/data/own.safetensors`);
  expect(ended.exitCode, ended.all).toBe(0);
  const all = await objects();
  const manifest = [...all.keys()].find((key) => key.endsWith("/manifest.json")) ?? "";
  expect(manifest).toMatch(/^prefix\/acme\/tiny\/[0-9a-f]{40}\/manifest\.json$/);
  const weights = [...all].filter(([key]) => key.endsWith(".safetensors"));
  expect(weights.length).toBeGreaterThan(2);
  for (const [key, etag] of weights) {
    const file = key.replace(/^prefix\/([^/]+\/[^/]+)\/[0-9a-f]{40}\//, "$1/");
    const content = readFileSync(join(root, file));
    expect(etag, file).toBe(createHash("md5").update(content).digest("hex"));
  }
  const ofLora = [...all.keys()].filter((key) => key.startsWith("prefix/acme/sketch/"));
  expect(ofLora.map((key) => key.split("/").at(-1)).sort()).toEqual(["loras.json", "small.safetensors"]);
});

test.each([
  ["--help", 'IMAGEGEN_MODEL: expected <organisation>/<name>, got "--help".'],
  ["acme/tiny; id", 'IMAGEGEN_MODEL: expected <organisation>/<name>, got "acme/tiny; id".'],
  ["", "IMAGEGEN_MODEL: expected a value, got nothing."],
])("the model %j is refused before anything is installed", async (model, line) => {
  const ended = await mirror(model);
  expect(ended.exitCode).toBe(1);
  expect(ended.all).toContain(line);
});
