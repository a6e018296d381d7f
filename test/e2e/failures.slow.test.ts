/** What can go wrong at a start: one clear line each, no trace of Python, and a cache that is as it was. */
import { afterAll, afterEach, beforeAll, expect, inject, test } from "vitest";
import { docker, dockerIfPossible } from "../support/docker.ts";
import { type Hub, startHub } from "../support/hub.ts";
import { cacheFingerprint, failure, ready } from "../support/service.ts";
import { eventually } from "../support/wait.ts";
import { pythonOn, start } from "./container.ts";
import { MEDIUM, OTHER, SDXL } from "./global-setup.ts";

const NAME = "imagegen-e2e-failures";
const VOLUME = "imagegen-e2e-failures";
const SMALL = "imagegen-e2e-small";
let hub: Hub;
let filled: string;

beforeAll(async () => {
  hub = await startHub(inject("modelsRoot"), inject("gateway"));
  await dockerIfPossible("rm", "-f", NAME);
  await dockerIfPossible("volume", "rm", VOLUME, SMALL);
  const service = await start(NAME, { volume: VOLUME, env: { MODEL_ID: SDXL, HF_ENDPOINT: hub.endpoint } });
  await ready(service.url);
  filled = await cacheFingerprint(inject("image"), VOLUME);
  await service.stop();
});

afterEach(async () => {
  await dockerIfPossible("rm", "-f", NAME);
  await hub.knobs({ status: null, gated: false, silent: false, corrupt: null, rate_bytes_per_second: null });
});

afterAll(async () => {
  await dockerIfPossible("volume", "rm", VOLUME, SMALL);
  await hub.stop();
});

/** Starts with a fault and returns the error; asserts that it is one line, in the log too, without a stack trace. */
async function fault(options: Parameters<typeof start>[1]): Promise<{ code: string; message: string }> {
  const service = await start(NAME, options);
  const error = await failure(service.url);
  expect(error.message).not.toContain("\n");
  const logs = await docker("logs", NAME);
  expect(logs).toContain(error.message);
  expect(logs).not.toContain("Traceback");
  expect((await fetch(`${service.url}/healthz`)).status).toBe(200);
  expect((await fetch(`${service.url}/readyz`)).status).toBe(503);
  return error;
}

/** A volume in memory, so that its size and owner can be chosen. */
async function memoryVolume(options: string): Promise<void> {
  await dockerIfPossible("volume", "rm", SMALL);
  const tmpfs = ["type=tmpfs", "device=tmpfs", `o=${options}`].flatMap((option) => ["--opt", option]);
  await docker("volume", "create", "--driver", "local", ...tmpfs, SMALL);
}

const cacheIsIntact = async () => expect(await cacheFingerprint(inject("image"), VOLUME)).toBe(filled);

test("a model that does not exist", async () => {
  const error = await fault({ volume: VOLUME, env: { MODEL_ID: "test/no-such-model", HF_ENDPOINT: hub.endpoint } });
  expect(error.code).toBe("MODEL_NOT_FOUND");
  expect(error.message).toContain("test/no-such-model");
  await cacheIsIntact();
});

test("a gated model without a token names the page to visit", async () => {
  await hub.knobs({ gated: true });
  const error = await fault({ volume: VOLUME, env: { MODEL_ID: OTHER, HF_ENDPOINT: hub.endpoint } });
  expect(error.code).toBe("GATED_MODEL");
  expect(error.message).toContain(OTHER);
  expect(error.message).toContain("HF_TOKEN");
  await cacheIsIntact();
});

test("a hub that is down, with an empty cache; then it comes back and the service heals by itself", async () => {
  const port = Number(new URL(hub.endpoint).port);
  await hub.stop();
  const error = await fault({ volume: VOLUME, env: { MODEL_ID: OTHER, HF_ENDPOINT: hub.endpoint } });
  expect(error.code).toBe("HUB_UNREACHABLE");
  await cacheIsIntact();
  hub = await startHub(inject("modelsRoot"), inject("gateway"), port);
  await eventually(
    "the service to heal",
    async () => {
      const port8000 = (await docker("port", NAME, "8000/tcp")).trim().split(":").at(-1);
      return (await fetch(`http://127.0.0.1:${port8000}/readyz`)).status === 200;
    },
    240,
  );
  await docker(
    "exec",
    NAME,
    "rm",
    "-rf",
    "/data/huggingface/hub/models--test--other-model",
    "/data/huggingface/image-gen/manifests/test--other-model.json",
  );
});

test("a hub that accepts and never answers is an error with an empty cache, and nothing at all with a full one", async () => {
  await hub.knobs({ silent: true });
  const error = await fault({ volume: VOLUME, env: { MODEL_ID: OTHER, HF_ENDPOINT: hub.endpoint } });
  expect(error.code).toBe("HUB_SILENT");
  const service = await start(NAME, { volume: VOLUME, env: { MODEL_ID: SDXL, HF_ENDPOINT: hub.endpoint } });
  expect((await ready(service.url)).source).toBe("volume");
});

test("a full disk is reported before the first byte, with the space that is needed", async () => {
  await memoryVolume("size=4m,uid=10001,gid=10001");
  const error = await fault({ volume: SMALL, env: { MODEL_ID: MEDIUM, HF_ENDPOINT: hub.endpoint } });
  expect(error.code).toBe("DISK_FULL");
  expect(error.message).toMatch(/\d.*[MG]i?B/);
  expect(
    (await hub.requests()).filter(
      (request) =>
        request.path.includes("resolve") && request.path.includes(MEDIUM) && request.path.includes(".safetensors"),
    ),
  ).toEqual([]);
});

test("a read-only volume serves a full cache and refuses a missing model", async () => {
  const service = await start(NAME, { volume: `${VOLUME}:ro`, env: { MODEL_ID: SDXL, HF_ENDPOINT: hub.endpoint } });
  expect((await ready(service.url)).source).toBe("volume");
  const error = await fault({ volume: `${VOLUME}:ro`, env: { MODEL_ID: OTHER, HF_ENDPOINT: hub.endpoint } });
  expect(error.code).toBe("CACHE_READ_ONLY");
  await cacheIsIntact();
});

test("nothing mounted at /data: the read-only root is named, and what to mount", async () => {
  const error = await fault({ env: { MODEL_ID: SDXL, HF_ENDPOINT: hub.endpoint } });
  expect(error.code).toBe("CACHE_READ_ONLY");
  expect(error.message).toContain("mount a volume at /data");
});

test("a volume of another owner is reported with its fix", async () => {
  await memoryVolume("size=64m,uid=0,mode=755");
  const error = await fault({ volume: SMALL, env: { MODEL_ID: SDXL, HF_ENDPOINT: hub.endpoint } });
  expect(error.code).toBe("CACHE_NOT_WRITABLE");
  expect(error.message).toContain("chown");
});

test("a byte that the disk has flipped is found at the start, and only that file is fetched again", async () => {
  const flip = `
import os, pathlib
blob = max(pathlib.Path("/data/huggingface/hub").glob("models--stabilityai--*/blobs/*"), key=lambda file: file.stat().st_size)
with open(blob, "r+b") as file:
    file.seek(-1, os.SEEK_END); last = file.read(1); file.seek(-1, os.SEEK_END); file.write(bytes([last[0] ^ 1]))`;
  await pythonOn(VOLUME, flip);
  await hub.knobs({ status: 500 });
  const error = await fault({ volume: VOLUME, env: { MODEL_ID: SDXL, HF_ENDPOINT: hub.endpoint } });
  expect(error.code).toBe("CORRUPT_CACHE");
  await hub.knobs({ status: null });
  await hub.forget();
  const service = await start(NAME, { volume: VOLUME, env: { MODEL_ID: SDXL, HF_ENDPOINT: hub.endpoint } });
  await ready(service.url);
  const fetched = (await hub.requests()).filter(({ method, path }) => method === "GET" && path.includes("/resolve/"));
  expect(new Set(fetched.map(({ path }) => path)).size).toBe(1);
  await cacheIsIntact();
});

test("a corrupted download is never put in place", async () => {
  await hub.knobs({ corrupt: "*.safetensors" });
  const error = await fault({ volume: VOLUME, env: { MODEL_ID: OTHER, HF_ENDPOINT: hub.endpoint } });
  expect(error.code).toBe("CORRUPT_DOWNLOAD");
  const names = await docker(
    "run",
    "--rm",
    "-v",
    `${VOLUME}:/data:ro`,
    "--entrypoint",
    "find",
    inject("image"),
    "/data/huggingface/hub/models--test--other-model/snapshots",
    "-name",
    "*.safetensors",
  );
  expect(names.trim()).toBe("");
});

test("a start after a kill in the middle of a download resumes it", async () => {
  await hub.knobs({ rate_bytes_per_second: 20_000_000 });
  await hub.forget();
  const service = await start(NAME, { volume: VOLUME, env: { MODEL_ID: MEDIUM, HF_ENDPOINT: hub.endpoint } });
  let total = 0;
  let kept = 0;
  await eventually(
    "half the model",
    async () => {
      const state = (await (await fetch(`${service.url}/readyz`)).json()) as {
        bytes_done: number;
        bytes_total: number;
      };
      [kept, total] = [state.bytes_done, state.bytes_total];
      return total > 0 && kept > total / 2;
    },
    120,
  );
  await docker("kill", NAME);
  await hub.knobs({ rate_bytes_per_second: null });
  const again = await start(NAME, { volume: VOLUME, env: { MODEL_ID: MEDIUM, HF_ENDPOINT: hub.endpoint } });
  await ready(again.url);
  const metrics = await (await fetch(`${again.url}/metrics`)).text();
  const fetched = Number(/^image_gen_cache_fetched_bytes_total(?:\{.*\})? (\S+)$/m.exec(metrics)?.[1]);
  expect(fetched).toBeGreaterThan(0);
  expect(fetched).toBeLessThan(total - kept * 0.9);
});
