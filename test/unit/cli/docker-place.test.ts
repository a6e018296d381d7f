/** What a command does where Docker can't be asked, and who made a container. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { EXIT, formatDetail } from "../../../cli/core/exit.ts";
import { pathsOf } from "../../../cli/core/paths.ts";
import { progressTo } from "../../../cli/core/progress.ts";
import { StackFiles } from "../../../cli/stack/files.ts";
import { findMode } from "../../../cli/targets/find-mode.ts";
import { selectTarget } from "../../../cli/targets/select.ts";
import { describeOwner, isForeign } from "../../../cli/toolchain/container-owner.ts";
import {
  EngineError,
  findContainer,
  findContainerIfReachable,
  hasImage,
  hasVolume,
} from "../../../cli/toolchain/docker.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "imagegen-place-"));
  vi.stubEnv("DOCKER_HOST", "tcp://127.0.0.1:1");
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true });
});

describe("an engine that can't be asked", () => {
  test.each([
    ["findContainer", findContainer],
    ["hasVolume", hasVolume],
    ["hasImage", hasImage],
  ])("%s fails with its reason, and does not call anything missing", async (_name, ask) => {
    const error = await ask("x").then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(EngineError);
    expect((error as EngineError).exitCode).toBe(EXIT.missingPrerequisite);
    // Where Docker is not installed, that is the reason.
    expect((error as EngineError).message).toMatch(
      /DOCKER_HOST=tcp:\/\/127\.0\.0\.1:1\)\. Fix: unset DOCKER_HOST|not installed/,
    );
  });

  test("has no container in the way", async () => {
    expect(await findContainerIfReachable("x")).toBeUndefined();
  });
});

describe("the place of a stack", () => {
  const write = (file: string, text: string) => {
    mkdirSync(join(root, file, ".."), { recursive: true });
    writeFileSync(join(root, file), text);
  };
  const mode = () => findMode({ paths: pathsOf(root), files: new StackFiles(pathsOf(root), "local") });
  const venv = () =>
    write(process.platform === "win32" ? ".imagegen/venv/Scripts/python.exe" : ".imagegen/venv/bin/python", "");

  test("is where it was last started, also when Docker does not answer", async () => {
    venv();
    new StackFiles(pathsOf(root), "local").setLastMode("docker");
    expect(await mode()).toBe("docker");
    new StackFiles(pathsOf(root), "local").setLastMode("process");
    expect(await mode()).toBe("process");
  });

  test("of an earlier version is Docker when Pulumi's state says so", async () => {
    venv();
    const state = ".imagegen/state/.pulumi/stacks/Picture-Perfect-Challenge/local.json";
    write(state, `{"checkpoint": {"latest": {"resources": [{"type": "docker:index/container:Container"}]}}}`);
    expect(await mode()).toBe("docker");
  });

  test("of an earlier version is a process when its log is there", async () => {
    write(".imagegen/logs/service-local.log", "");
    expect(await mode()).toBe("process");
  });

  describe("that was never started, beside one that runs as a process with its models in .imagegen/data", () => {
    beforeEach(() => {
      venv();
      write(".imagegen/logs/service-local.log", "");
      write(".imagegen/data/huggingface/hub/model", "");
      write("stacks/Pulumi.second.yaml", "config:\n  Picture-Perfect-Challenge:target: local\n");
    });
    /** A `docker` that answers `inspect` by this script. */
    const docker = (script: string) => {
      write("bin/docker", `#!/bin/sh\n${script}\n`);
      chmodSync(join(root, "bin/docker"), 0o755);
      vi.stubEnv("PATH", `${join(root, "bin")}${delimiter}${process.env.PATH}`);
    };
    const context = () => ({
      paths: pathsOf(root),
      files: new StackFiles(pathsOf(root), "second"),
      progress: progressTo({ isTTY: false, write: () => true } as unknown as NodeJS.WriteStream),
      json: false,
      signal: new AbortController().signal,
    });
    const NOTHING = 'echo "Error: No such $1: x" >&2; exit 1';
    const owned = (stack: string) => {
      const labels = { "imagegen.stack": stack, "imagegen.checkout": root };
      const container = { Id: "1", Image: "i", State: { Running: true }, Config: { Labels: labels }, HostConfig: {} };
      return `[ "$1" = container ] && echo '${JSON.stringify([container])}' && exit; echo '[{}]'`;
    };

    test("is nowhere: it has no cache, and none is deleted", async () => {
      docker(NOTHING);
      expect(await findMode(context())).toBeUndefined();
      const target = await selectTarget(context());
      await expect(target.exec(["clear", "--all", "--yes"])).rejects.toThrow(/stack second has no cache.*Fix: .*up/);
      await expect(target.down({ deleteCache: true, yes: true })).rejects.toThrow("Nothing runs for the stack second");
      expect(existsSync(join(root, ".imagegen/data/huggingface/hub/model"))).toBe(true);
      expect((await target.status()).state).toMatch(/^not running/);
    });

    test("is not called missing where the engine can't be asked", async () => {
      docker('echo "Cannot connect to the Docker daemon" >&2; exit 1');
      const target = await selectTarget(context());
      await expect(target.exec(["clear", "--all", "--yes"])).rejects.toThrow("The Docker engine is not running");
      await expect(target.status()).rejects.toThrow("The Docker engine is not running");
    });

    test("is nowhere on a machine without Docker", async () => {
      vi.stubEnv("PATH", "/none");
      expect(await findMode(context())).toBeUndefined();
    });

    test("has nothing of a container, and its volume, that another stack made under the same names", async () => {
      docker(owned("local"));
      expect(await findMode(context())).toBeUndefined();
      docker(owned("second"));
      expect(await findMode(context())).toBe("docker");
    });

    test("has not the volume of another stack with the same name that is down", async () => {
      docker(`[ "$1" = volume ] && echo '[{}]' && exit; ${NOTHING}`);
      expect(await findMode(context())).toBe("docker");
      write("stacks/Pulumi.local.yaml", "config:\n  Picture-Perfect-Challenge:target: local\n");
      new StackFiles(pathsOf(root), "local").setLastMode("docker");
      expect(await findMode(context())).toBeUndefined();
    });
  });
});

describe("a container of our name", () => {
  const named = (labels: Record<string, string>) => ({ name: "x", labels });
  const compose = { "com.docker.compose.project": "p", "com.docker.compose.project.working_dir": "/srv/app" };

  test("that Compose made is named with its command", () => {
    expect(formatDetail(describeOwner(named(compose), "/here"))).toBe(
      "The container x was made by Docker Compose (project p in /srv/app). Fix: docker compose --project-name p down",
    );
    expect(isForeign(named(compose), { stack: "local", root: "/here" })).toBe(true);
  });

  test("of another checkout is named with it", () => {
    const labels = { "imagegen.stack": "second", "imagegen.checkout": root };
    expect(formatDetail(describeOwner(named(labels), "/here"))).toBe(
      `The container x belongs to the stack second of the checkout ${root}. Fix: cd ${root} && imagegen down --stack second`,
    );
    expect(isForeign(named(labels), { stack: "second", root: "/here" })).toBe(true);
    expect(isForeign(named(labels), { stack: "second", root })).toBe(false);
    expect(isForeign(named(labels), { stack: "local", root })).toBe(true);
  });

  test("of a checkout that is gone, or of nobody, may be ours", () => {
    const moved = named({ "imagegen.stack": "local", "imagegen.checkout": "/no/such/checkout" });
    expect(isForeign(moved, { stack: "local", root })).toBe(false);
    expect(isForeign(named({}), { stack: "local", root })).toBe(false);
    expect(describeOwner(named({}), root).fix).toBe("docker rm --force x");
  });
});
