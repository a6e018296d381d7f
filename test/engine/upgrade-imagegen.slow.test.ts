/** A service that `npm start` of commit 51b7e56 brought up on Docker, and `npm start` of this checkout in the same folder. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { baseImage } from "../support/base-image.ts";
import { Clone, done } from "../support/clone.ts";
import { docker } from "../support/docker.ts";
import { EARLIER, missingEarlier } from "../support/earlier-program.ts";
import { freePort } from "../support/engine.ts";
import { missingFor } from "../support/needs.ts";

const NAME = "imagegen-engine-upgrade-cli";
const clone = new Clone();
const missing = (await missingFor("engine")) ?? (await missingEarlier());
if (missing) console.warn(`LEFT OUT: npm start after ${EARLIER}: ${missing}`);

const json = async (...args: string[]) => JSON.parse(done(await clone.imagegen("--json", ...args)).stdout);

describe.skipIf(missing !== undefined)(`npm start after ${EARLIER}`, () => {
  beforeAll(async () => clone.make());

  afterAll(() => clone.removeWithStack(NAME));

  test("keeps the earlier --config, the volume and the model in it, and downloads nothing", async () => {
    const values = {
      containerName: NAME,
      volumeName: NAME,
      imageName: NAME,
      gpu: "none",
      cacheOnDestroy: "retain",
      baseImage: (await baseImage()).reference ?? "",
      port: String(await freePort()),
    };
    const config = Object.entries(values).flatMap(([key, value]) => ["--config", `${key}=${value}`]);
    const head = (await clone.revision()).trim();
    await clone.checkout(EARLIER);
    done(await clone.start("--mode", "docker", "--model", "demo", ...config));
    // Docker's own date of a volume is that of the last change in its folder.
    await docker("exec", NAME, "sh", "-c", "echo kept > /data/marker");

    await clone.checkout(head);
    done(await clone.start());
    expect(await docker("exec", NAME, "cat", "/data/marker")).toBe("kept");
    const { ready, mode, url } = await json("status");
    expect(mode).toBe("docker");
    expect(url).toContain(`:${values.port}`);
    expect(ready).toMatchObject({ model: "image-gen/demo", source: "volume" });
    // A start that downloads has a phase for it.
    expect(Object.keys(ready.phases)).not.toContain("fetching");
  });
});
