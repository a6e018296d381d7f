/** `imagegen up` with a mistake, on Docker: what worked before runs again, and what the commands say meanwhile. */
import { cpSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { baseImage } from "../support/base-image.ts";
import { Clone, done } from "../support/clone.ts";
import { docker } from "../support/docker.ts";
import { freePort } from "../support/engine.ts";
import { missingFor } from "../support/needs.ts";
import { paths } from "../support/paths.ts";

const NAME = "imagegen-engine-back";
const clone = new Clone();
const missing = await missingFor("engine");
if (missing) console.warn(`LEFT OUT: an up that fails on Docker: ${missing}`);
let all: string[];
const containerId = () => docker("inspect", "-f", "{{.Id}}", NAME);
const model = async () => JSON.parse((await clone.imagegen("--json", "status")).stdout).ready.model as string;

describe.skipIf(missing !== undefined)("an up that fails on Docker", () => {
  beforeAll(async () => {
    await clone.make();
    for (const entry of ["Dockerfile", "src"]) {
      rmSync(join(clone.directory, "image-gen", entry), { recursive: true });
      cpSync(join(paths.root, "test/support/stub-service", entry), join(clone.directory, "image-gen", entry), {
        recursive: true,
      });
    }
    symlinkSync(join(paths.root, "node_modules"), join(clone.directory, "node_modules"));
    const names = { containerName: NAME, volumeName: NAME, imageName: NAME, gpu: "none", buildNetwork: "host" };
    const values = { ...names, baseImage: (await baseImage()).reference ?? "", port: String(await freePort()) };
    all = Object.entries(values).flatMap(([key, value]) => ["--config", `${key}=${value}`]);
    done(await clone.imagegen("up", "--mode", "docker", "--no-picture", "--model", "stub/ready", ...all));
  });

  afterAll(() => clone.removeWithStack(NAME));

  test("goes back to the earlier service, says both, and remembers no flag", async () => {
    const before = await containerId();
    const failed = await clone.imagegen("up", "--no-picture", "--model", "stub/missing");
    expect(failed.exitCode).toBe(1);
    expect(failed.stderr).toContain("stub/missing is not on the hub");
    expect(failed.stderr).toContain("The earlier service (stub/ready) runs again at http://127.0.0.1:");
    expect(failed.stderr).toContain("Not remembered: modelId.");
    expect(await containerId()).not.toBe(before);
    expect(await model()).toBe("stub/ready");
    const again = await containerId();
    done(await clone.imagegen("up", "--no-picture"));
    expect(await containerId()).toBe(again);
  });

  test("before anything is stopped leaves the very container", async () => {
    const before = await containerId();
    for (const flags of [
      ["--config", "gpu=all"],
      ["--config", "baseImage=127.0.0.1:1/nothing:1"],
    ]) {
      const failed = await clone.imagegen("up", "--mode", "docker", "--no-picture", ...flags);
      expect(failed.exitCode).toBe(5);
    }
    expect(await containerId()).toBe(before);
    expect(await model()).toBe("stub/ready");
  });

  test("because Docker does not answer is no sign that nothing runs", async () => {
    const dead = { DOCKER_HOST: "tcp://127.0.0.1:1" };
    for (const args of [["status"], ["down"], ["logs"], ["up"], ["cache", "clear", "--yes"], ["cache", "status"]]) {
      const failed = await clone.imagegenIn(dead, ...args);
      expect(failed.stderr).toContain("DOCKER_HOST=tcp://127.0.0.1:1");
      expect(failed.stderr).toContain("Fix: unset DOCKER_HOST");
      expect(failed.exitCode).toBe(5);
    }
    expect(await model()).toBe("stub/ready");
  });

  test("restart restarts it as it is", async () => {
    const before = await containerId();
    const restarted = JSON.parse(done(await clone.imagegen("--json", "restart")).stdout);
    expect(restarted).toMatchObject({ mode: "docker", ready: true, model: "stub/ready" });
    expect(await containerId()).toBe(before);
  });

  test("a lost passphrase is named, and the stack, which has no secret, continues", async () => {
    const before = await containerId();
    rmSync(join(clone.directory, ".imagegen/passphrase"));
    const up = done(await clone.imagegen("up", "--no-picture"));
    expect(up.stderr).toContain(
      "The passphrase of .imagegen/state is gone. The state has no secret, and gets a new one.",
    );
    expect(await containerId()).toBe(before);
  });

  test("down does not call a container stopped that another has made", async () => {
    done(await clone.imagegen("down"));
    const labels = ["--label", "com.docker.compose.project=elsewhere"];
    const image = (await baseImage()).reference ?? "";
    await docker("run", "--detach", "--name", NAME, ...labels, image, "sleep", "600");
    const failed = await clone.imagegen("down");
    expect(failed.exitCode).toBe(1);
    expect(failed.stderr).toContain(
      `The container ${NAME} was made by Docker Compose (project elsewhere). It still runs.`,
    );
    expect(failed.stderr).toContain("Fix: docker compose --project-name elsewhere down");
    const up = await clone.imagegen("up", "--mode", "docker", "--no-picture");
    expect(up.exitCode).toBe(5);
    expect(up.stderr).toContain("Docker Compose");
  });
});
