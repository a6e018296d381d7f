/** `npm start` in a fresh clone on a machine with Docker and Pulumi, and the commands that look after what it made. */
import { once } from "node:events";
import { statSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { baseImage } from "../support/base-image.ts";
import { Clone, done } from "../support/clone.ts";
import { docker } from "../support/docker.ts";
import { freePort } from "../support/engine.ts";
import { missingFor } from "../support/needs.ts";

const NAME = "imagegen-engine-cli";
const clone = new Clone();
const missing = await missingFor("engine");
if (missing) console.warn(`LEFT OUT: npm start on Docker through Pulumi: ${missing}`);

const json = async (...args: string[]) => JSON.parse(done(await clone.imagegen("--json", ...args)).stdout);
const config = (values: Record<string, string>) =>
  Object.entries(values).flatMap(([key, value]) => ["--config", `${key}=${value}`]);

describe.skipIf(missing !== undefined)("npm start on Docker through Pulumi", () => {
  beforeAll(async () => {
    await clone.make();
  });

  afterAll(() => clone.removeWithStack(NAME));

  test("the first run ends with a picture, the second too, and the clone stays clean", async () => {
    const names = { containerName: NAME, volumeName: NAME, imageName: NAME, gpu: "none" };
    const all = config({ ...names, baseImage: (await baseImage()).reference ?? "", port: String(await freePort()) });
    const first = done(await clone.start("--mode", "docker", "--model", "demo", ...all));
    const second = done(await clone.start());
    console.log(`npm start on Docker: first ${first.seconds.toFixed(0)} s, again ${second.seconds.toFixed(0)} s`);
    for (const { stdout } of [first, second]) expect(stdout).toMatch(/Picture: .*\.png/);
    expect(await clone.gitStatus()).toBe("");
    expect(statSync(join(clone.directory, ".imagegen/passphrase")).mode & 0o777).toBe(0o600);
  });

  test("status, doctor and the cache say where the model is", async () => {
    expect(await json("status")).toMatchObject({ mode: "docker", ready: { model: "image-gen/demo" } });
    const doctor = await clone.imagegen("doctor");
    expect(doctor.stdout).toContain("/data");
    const cache = await json("cache", "status");
    expect(cache.mount.is_mount).toBe(true);
    expect(cache.models).toMatchObject([{ id: "image-gen/demo", complete: true }]);
  });

  test("a backup is restored after a clear, with the container running and without it", async () => {
    const backup = join(clone.directory, "..", "backup.tar");
    done(await clone.imagegen("cache", "backup", backup));
    expect((await clone.imagegen("cache", "clear", "--yes")).exitCode).toBe(4); // It is in use.
    done(await clone.imagegen("cache", "clear", "--yes", "--force"));
    done(await clone.imagegen("cache", "restore", backup));
    await docker("stop", NAME);
    done(await clone.imagegen("cache", "verify"));
    done(await clone.imagegen("cache", "clear", "--yes"));
    done(await clone.imagegen("cache", "restore", backup));
    done(await clone.start());
    expect((await json("status")).ready.source).toBe("volume");
  });

  test("a taken port is one line with its fix, and the running service stays", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const before = await docker("inspect", "-f", "{{.Id}}", NAME);
    const taken = await clone.imagegen("up", "--port", String(port));
    other.close();
    expect(taken.exitCode).toBe(5);
    expect(taken.stderr).toContain(`Port ${port}`);
    expect(taken.stderr).not.toMatch(/^\s+at /m);
    expect(await docker("inspect", "-f", "{{.Id}}", NAME)).toBe(before);
  });

  test("down removes the container and keeps the volume", async () => {
    done(await clone.imagegen("down"));
    expect(await docker("ps", "-aq", "--filter", `name=${NAME}`)).toBe("");
    expect(await docker("volume", "ls", "-q", "--filter", `name=${NAME}`)).toBe(NAME);
  });
});
