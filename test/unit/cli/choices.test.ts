import { describe, expect, test } from "vitest";
import { browserCommand } from "../../../cli/commands/open.ts";
import { CliError, EXIT, EXIT_MEANINGS, firstLine, formatDetail } from "../../../cli/core/exit.ts";
import { imageName } from "../../../cli/service/image-files.ts";
import { toExitCode } from "../../../cli/service/image-gen.ts";
import { parseLora } from "../../../cli/service/image-request.ts";
import { chooseModel } from "../../../cli/stack/model.ts";
import { chooseMode, requireProcessPlatform } from "../../../cli/targets/select.ts";
import { explainEngine } from "../../../cli/toolchain/docker.ts";
import { hasPlugin, isAtLeast } from "../../../cli/toolchain/pulumi.ts";

const thrownBy = (action: () => unknown): CliError => {
  try {
    action();
  } catch (error) {
    if (error instanceof CliError) return error;
  }
  throw new Error("no CliError was thrown");
};

describe("the mode", () => {
  const lack = { message: "The Docker engine is not running.", fix: "start it" };
  const fresh = { last: undefined, processCommand: "imagegen up --mode process" };
  test("docker, when nothing is lacking", () => {
    expect(chooseMode("auto", undefined, fresh)).toEqual({ mode: "docker" });
    expect(chooseMode("docker", undefined, fresh)).toEqual({ mode: "docker" });
  });
  test("a process, with the reason, when auto lacks something", () => {
    const { mode, note } = chooseMode("auto", lack, fresh);
    expect(mode).toBe("process");
    expect(note).toContain("The Docker engine is not running. Fix: start it");
    expect(note?.split("\n")).toHaveLength(2);
  });
  test("an error, when docker was requested", () => {
    const error = thrownBy(() => chooseMode("docker", lack, fresh));
    expect(error.details).toEqual([lack]);
    expect(error.exitCode).toBe(EXIT.missingPrerequisite);
  });
  test("an error, when auto lacks something of a stack that is in Docker already", () => {
    const error = thrownBy(() => chooseMode("auto", lack, { ...fresh, last: "docker" }));
    expect(error.message).toBe(
      "The stack runs in Docker, and its cache is there. The Docker engine is not running. Fix: start it; or imagegen up --mode process, which has a cache of its own",
    );
  });
  test("no process on Windows, which is said before anything is installed", () => {
    expect(() => requireProcessPlatform("win32")).toThrow(/Docker Desktop, or in WSL 2.*Fix: /);
    expect(() => requireProcessPlatform("linux")).not.toThrow();
  });
  test("a process without a note, when requested", () => {
    expect(chooseMode("process", lack, fresh)).toEqual({ mode: "process" });
  });
});

describe("the model", () => {
  test.each([
    [{ configured: "c/d", gpu: false }, "c/d", "config"],
    [{ gpu: true }, "stabilityai/stable-diffusion-xl-base-1.0", "default"],
    [{ gpu: false }, "demo", "no-gpu"],
  ])("%o → %s (%s)", (facts, id, why) => {
    expect(chooseModel(facts)).toMatchObject({ id, why });
  });
  test("a choice that the user did not make is explained, others are not", () => {
    expect(chooseModel({ gpu: false }).note).toContain("--model stabilityai/stable-diffusion-xl-base-1.0");
    expect(chooseModel({ gpu: false, appleGpu: true }).note).toMatch(/Mac's GPU.*\(MPS\).*--mode process --model /);
    expect(chooseModel({ configured: "a/b", gpu: false }).note).toBeUndefined();
    expect(chooseModel({ gpu: true }).note).toBeUndefined();
  });
});

describe("exit codes", () => {
  test("each is documented once", () => {
    const documented = EXIT_MEANINGS.map(([code]) => code).sort();
    expect(documented).toEqual(Object.values(EXIT).sort());
  });
  test.each([
    [0, 0],
    [1, 1],
    [2, 2],
    [3, 3],
    [4, 4],
    [125, 1],
    [137, 1],
  ])("image-gen's %i is ours %i", (theirs, ours) => {
    expect(toExitCode(theirs)).toBe(ours);
  });
  test("an error is shown as its first line that says something", () => {
    expect(firstLine(new TypeError("\nTypeError: no good\n    at x"))).toBe("no good");
    expect(firstLine("plain")).toBe("plain");
  });
});

describe("Docker's errors", () => {
  test.each([
    ["permission denied while trying to connect to the Docker daemon socket", /usermod -aG docker/],
    [
      "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
      /not running.*start/,
    ],
    ["error during connect: x509: certificate expired", /x509: certificate expired/],
  ])("%s", (complaint, expected) => {
    expect(formatDetail(explainEngine(complaint))).toMatch(expected);
  });

  test.each([
    ["DOCKER_HOST=tcp://127.0.0.1:1", "unset DOCKER_HOST"],
    ["the Docker context far", "docker context use default"],
  ])("of an engine that %s names", (by, undo) => {
    expect(formatDetail(explainEngine("Cannot connect to the Docker daemon", { by, undo }))).toBe(
      `The Docker engine is not running (${by}). Fix: ${undo}, or start the engine that it names`,
    );
  });
});

test.each([
  ["3.230.0", "3.230.0", true],
  ["3.231.0-alpha", "3.230.0", true],
  ["4.0.0", "3.230.0", true],
  ["3.229.9", "3.230.0", false],
])("Pulumi %s is at least %s: %s", (have, want, expected) => {
  expect(isAtLeast(have, want)).toBe(expected);
});

test("a plugin is there only in the version that is asked for", () => {
  const listing = JSON.stringify([
    { name: "docker", version: "5.2.0" },
    { name: "aws", version: "7.0.0" },
  ]);
  expect(hasPlugin(listing, "5.2.0")).toBe(true);
  expect(hasPlugin(listing, "5.1.0")).toBe(false);
  expect(hasPlugin(listing, "7.0.0")).toBe(false);
});

test("a picture's name sorts by time", () => {
  expect(imageName(new Date("2026-11-22T16:45:01Z"), 42, "png")).toBe("20261122-164501-seed42.png");
  expect(imageName(new Date("2026-11-22T16:45:01Z"), null, "jpeg")).toBe("20261122-164501.jpg");
});

test.each([
  ["darwin", {}, "open"],
  ["linux", { DISPLAY: ":0" }, "xdg-open"],
  ["linux", {}, undefined],
  ["darwin", { SSH_CONNECTION: "a b" }, undefined],
] as const)("on %s with %o the browser is opened by %s", (platform, env, expected) => {
  expect(browserCommand(platform, env)?.[0]).toBe(expected);
});

test("--lora takes a name and a weight, and may be given more than once", () => {
  expect(parseLora("pixel=-0.5", parseLora("sketch"))).toEqual([{ name: "sketch" }, { name: "pixel", weight: -0.5 }]);
  for (const wrong of ["", "=1", "x=", "x=1=2", "x=much"])
    expect(() => parseLora(wrong)).toThrow(/^--lora: expected a name.* Fix: --lora sketch=0\.8$/);
});
