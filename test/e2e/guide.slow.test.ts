/**
 * The model caching guide, command by command, on the real container; only `docker-compose` is spelt `docker compose`.
 * Two of its commands differ here: `docker volume inspect image_data` lacks the project's prefix, and
 * `docker volume prune` would touch the volumes of whoever runs this test.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { docker, dockerIfPossible } from "../support/docker.ts";
import { type Hub, startHub } from "../support/hub.ts";
import { paths } from "../support/paths.ts";
import { picture, ready } from "../support/service.ts";
import { OTHER, SDXL } from "./global-setup.ts";

const CONTAINER = "image-game-image-gen";
const VOLUME = "Picture-Perfect-Challenge_image_data";
const PORT = 18000;
const url = `http://127.0.0.1:${PORT}`;
const modelFolder = "/data/huggingface/hub/models--stabilityai--stable-diffusion-xl-base-1.0";

let hub: Hub;
let borrowedAlpine = false;
let environment: Record<string, string>;
const work = mkdtempSync(join(tmpdir(), "imagegen-guide-"));

/** One line of the guide in a shell, as a reader would paste it. */
async function sh(line: string, env: Record<string, string> = {}): Promise<string> {
  const result = await execa("bash", ["-c", line], {
    cwd: work,
    env: { ...environment, ...env },
    reject: false,
    all: true,
  });
  if (result.exitCode !== 0) throw new Error(`${line}\n${(result.all ?? "").split("\n").slice(-20).join("\n")}`);
  return result.all ?? "";
}

const weightRequests = async () =>
  (await hub.requests()).filter((request) => request.method === "GET" && request.path.includes(".safetensors"));
const startedAt = async () => (await docker("inspect", "-f", "{{.State.StartedAt}}", CONTAINER)).trim();
const logsSinceStart = async () => sh(`docker logs --since ${await startedAt()} ${CONTAINER}`);

beforeAll(async () => {
  if ((await execa("docker", ["image", "inspect", "alpine"], { reject: false, stdio: "ignore" })).exitCode !== 0) {
    await docker("tag", inject("baseImage"), "alpine");
    borrowedAlpine = true;
  }
  hub = await startHub(inject("modelsRoot"), inject("gateway"));
  environment = {
    COMPOSE_FILE: [join(paths.root, "compose.yaml"), join(paths.root, "test/e2e/compose.test.yaml")].join(":"),
    BASE_IMAGE: inject("baseImage"),
    IMAGE_GEN_PORT: String(PORT),
    HF_ENDPOINT: hub.endpoint,
  };
  await dockerIfPossible("rm", "-f", CONTAINER);
  await dockerIfPossible("volume", "rm", VOLUME);
});

afterAll(async () => {
  await execa("docker", ["compose", "down"], { env: environment, reject: false });
  await dockerIfPossible("volume", "rm", VOLUME);
  if (borrowedAlpine) await dockerIfPossible("rmi", "alpine");
  await hub.stop();
  rmSync(work, { recursive: true, force: true });
});

test("first run downloads, says so in the guide's words, and makes a picture", async () => {
  await sh("docker compose up -d image-gen");
  const state = await ready(url);
  expect(state.model).toBe(SDXL);
  expect(state.source).toBe("download");
  expect(await weightRequests()).toHaveLength(4);
  const logs = await logsSinceStart();
  for (const line of [
    /^\[image-gen\] Loading model from Hugging Face\.\.\.$/m,
    /^\[image-gen\] NOTE: First run will download/m,
    /^\[image-gen\] Model loaded, moving to device cpu\.\.\.$/m,
    /^\[image-gen\] Model ready on cpu$/m,
  ])
    expect(logs).toMatch(line);
  await picture(url);
});

test("rebuild and restart use the cache: the hub receives no request", async () => {
  await hub.forget();
  await sh("docker compose up -d --build image-gen");
  await ready(url);
  await sh("docker compose restart image-gen");
  const state = await ready(url);
  expect(state.source).toBe("volume");
  expect(await hub.requests()).toEqual([]);
  const logs = await logsSinceStart();
  expect(logs).toMatch(/^\[image-gen\] Loading model from Hugging Face\.\.\.$/m);
  expect(logs).not.toMatch(/First run will download/);
  await picture(url);
});

test("the guide's looks at the cache", async () => {
  expect(await sh(`docker exec ${CONTAINER} du -sh /data/huggingface`)).toMatch(/^[\d.]+[KMG]\s+\/data\/huggingface/);
  expect(await sh(`docker exec ${CONTAINER} ls -lh ${modelFolder}/`)).toMatch(/snapshots/);
  expect(await sh("docker volume ls")).toContain(VOLUME);
  await sh(`docker volume inspect ${VOLUME}`);
  expect(await sh(`docker run --rm -v ${VOLUME}:/data alpine ls -lh /data/`)).toContain("huggingface");
  expect(await sh(`docker inspect ${CONTAINER} | grep -A 5 Mounts`)).toContain("Mounts");
  const env = await sh(`docker exec ${CONTAINER} env | grep HF`);
  expect(env).toContain("HF_HOME=/data/huggingface");
  expect(await sh(`docker exec ${CONTAINER} env | grep TRANSFORMERS`)).toContain(
    "TRANSFORMERS_CACHE=/data/huggingface/hub",
  );
  expect(await sh(`docker exec ${CONTAINER} ls -lh /data/huggingface/`)).toContain("hub");
  expect(await sh("docker system df -v")).toContain(VOLUME);
});

test("clearing one model makes the next start fetch it again", async () => {
  await hub.forget();
  await sh(`docker exec ${CONTAINER} rm -rf ${modelFolder}`);
  await sh("docker compose restart image-gen");
  expect((await ready(url)).source).toBe("download");
  expect(await weightRequests()).toHaveLength(4);
});

test("backup, clear everything, restore, and start with the hub gone", async () => {
  await sh(
    `docker run --rm -v ${VOLUME}:/data -v $(pwd):/backup alpine tar czf /backup/model-cache-backup.tar.gz /data/huggingface`,
  );
  expect(statSync(join(work, "model-cache-backup.tar.gz")).size).toBeGreaterThan(100_000);
  await sh(`docker exec ${CONTAINER} rm -rf /data/huggingface/*`);
  expect(await sh(`docker exec ${CONTAINER} ls -A /data/huggingface`)).toBe("");
  await sh("docker compose stop image-gen");
  await sh(
    `docker run --rm -v ${VOLUME}:/data -v $(pwd):/backup alpine tar xzf /backup/model-cache-backup.tar.gz -C /`,
  );
  await hub.stop();
  await sh("docker compose start image-gen");
  expect((await ready(url)).source).toBe("volume");
  await picture(url);
  hub = await startHub(inject("modelsRoot"), inject("gateway"), Number(new URL(hub.endpoint).port));
});

test("clearing the entire cache makes the next start fetch it again", async () => {
  await sh(`docker exec ${CONTAINER} rm -rf /data/huggingface/*`);
  await sh("docker compose restart image-gen");
  expect((await ready(url)).source).toBe("download");
});

test("another MODEL_ID never serves the old model, and keeps it", async () => {
  await sh("docker compose up -d image-gen", { MODEL_ID: OTHER });
  expect((await ready(url)).model).toBe(OTHER);
  const models = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] };
  expect(models.data.map((model) => model.id)).toEqual([OTHER]);
  await hub.forget();
  await sh("docker compose up -d image-gen");
  expect(await ready(url)).toMatchObject({ model: SDXL, source: "volume" });
  expect(await hub.requests()).toEqual([]);
});

test("the nuclear option: delete the volume, and the next start downloads into a new one", async () => {
  await sh("docker compose down");
  await sh(`docker volume rm ${VOLUME}`);
  await hub.forget();
  await sh("docker compose up -d");
  expect((await ready(url)).source).toBe("download");
  expect(await weightRequests()).toHaveLength(4);
});
