/** The first run on a machine without Docker: `npm start` in a fresh clone, and `imagegen` after it. */
import { once } from "node:events";
import { existsSync, globSync, readFileSync, statSync, truncateSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Clone, done } from "../support/clone.ts";
import { freePort } from "../support/engine.ts";

const clone = new Clone();
let port: number;

beforeAll(async () => {
  await clone.make();
  port = await freePort();
});

afterAll(async () => {
  await clone.imagegen("down");
  clone.remove();
});

const json = async (...args: string[]) => JSON.parse(done(await clone.imagegen("--json", ...args)).stdout);
const isPng = (file: string) => readFileSync(file).subarray(1, 4).toString() === "PNG";

test("npm start ends with a picture, and leaves the clone clean", async () => {
  const first = done(await clone.start("--mode", "process", "--port", String(port), "--model", "demo"));
  console.log(`npm start in a fresh clone took ${first.seconds.toFixed(0)} s`);
  const pictures = globSync(join(clone.directory, ".imagegen/pictures/*.png"));
  expect(pictures).toHaveLength(1);
  expect(isPng(pictures[0] ?? "")).toBe(true);
  expect(first.stdout).toContain(`http://127.0.0.1:${port}`);
  expect(await clone.gitStatus()).toBe("");
});

test("npm start again goes straight to a picture", async () => {
  const second = done(await clone.start("--mode", "process"));
  console.log(`npm start again took ${second.seconds.toFixed(0)} s`);
  expect(globSync(join(clone.directory, ".imagegen/pictures/*.png"))).toHaveLength(2);
});

test("status, logs and picture", async () => {
  expect(await json("status")).toMatchObject({ mode: "process" });
  expect(done(await clone.imagegen("logs", "-n", "50")).stdout).toContain("[image-gen] Model ready on cpu");
  const made = await json("picture", "a red barn");
  expect(isPng(made.path)).toBe(true);
});

test("the cache: status, verify, backup, damage, restore, clear", async () => {
  const status = await json("cache", "status");
  expect(status.models.map((model: { id: string; complete: boolean }) => [model.id, model.complete])).toEqual([
    ["image-gen/demo", true],
  ]);
  done(await clone.imagegen("cache", "verify"));

  const backup = join(clone.directory, "..", "backup.tar");
  done(await clone.imagegen("cache", "backup", backup));
  expect(statSync(backup).size).toBeGreaterThan(100_000);

  const [blob = ""] = globSync(
    join(clone.directory, ".imagegen/data/huggingface/hub/models--image-gen--demo/blobs/*"),
  ).sort((a, b) => statSync(b).size - statSync(a).size);
  truncateSync(blob, 1000);
  expect((await clone.imagegen("cache", "verify")).exitCode).toBe(3);
  done(await clone.imagegen("cache", "restore", backup));
  done(await clone.imagegen("cache", "verify"));

  const refused = await clone.imagegen("cache", "clear");
  expect(refused.exitCode).toBe(4);
  expect(existsSync(blob)).toBe(true);
  expect((await clone.imagegen("cache", "clear", "--yes")).exitCode).toBe(4); // it is being served
  expect(existsSync(blob)).toBe(true);
  done(await clone.imagegen("cache", "clear", "--yes", "--force"));
  expect((await json("cache", "status")).models).toEqual([]);
  done(await clone.imagegen("cache", "restore", backup));
  expect((await json("cache", "status")).models).toHaveLength(1);
});

test("a taken port and an unknown key are one line each, with a fix", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port: otherPort } = other.address() as AddressInfo;
  const taken = await clone.imagegen("up", "--mode", "process", "--port", String(otherPort));
  other.close();
  expect(taken.exitCode).toBe(5);
  expect(taken.stderr).toContain("--port");
  const unknown = await clone.imagegen("up", "--config", "modlId=demo");
  expect(unknown.exitCode).toBe(2);
  expect(unknown.stderr).toContain("modelId");
  expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
  for (const { stderr } of [taken, unknown]) expect(stderr).not.toMatch(/^\s+at /m);
});

test("down ends the process and keeps the cache", async () => {
  done(await clone.imagegen("down"));
  await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow();
  expect((await json("cache", "status")).models).toHaveLength(1);
  expect((await clone.imagegen("status")).exitCode).toBe(6);
});
