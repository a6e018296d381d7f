/** Files that a command's user names: what is wrong with one is said before any work, with a fix. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { explainFileError } from "../../../cli/bootstrap.mjs";
import { printOutput } from "../../../cli/commands/cache/pass-through.ts";
import { pathsOf } from "../../../cli/core/paths.ts";
import { backupToFile, restoreFromFile } from "../../../cli/service/archive.ts";
import { makeImages } from "../../../cli/service/images.ts";
import { StackFiles } from "../../../cli/stack/files.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "imagegen-output-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(root, { recursive: true });
});

const context = { json: false, signal: new AbortController().signal };
const cache = { stack: "local", exec: () => Promise.reject(new Error("not called")) };
const runner = () => Promise.reject(new Error("it was started"));
const nowhere = () => join(root, "none", "x.png");

describe("a place for a result", () => {
  test("without its folder ends a backup before it begins", async () => {
    const done = backupToFile(context, cache, runner, nowhere());
    await expect(done).rejects.toThrow(`there is no folder ${join(root, "none")}. Fix: mkdir -p`);
  });

  test("that is a folder, or below a file, does so as well", async () => {
    await expect(backupToFile(context, cache, runner, root)).rejects.toThrow(`${root} is a folder.`);
    writeFileSync(join(root, "none"), "");
    await expect(backupToFile(context, cache, runner, nowhere())).rejects.toThrow(`${join(root, "none")} is a file.`);
  });

  test("on a full disk leaves nothing of a backup, and is named", async () => {
    const file = join(root, "backup.tar");
    symlinkSync("/dev/full", `${file}.part`);
    const endless = () => Promise.resolve({ file: "sh", args: ["-c", "yes 2>/dev/null"], env: {} });
    const error = await backupToFile(context, cache, endless, file).catch((caught: unknown) => caught);
    expect(explainFileError(error)).toEqual({
      message: `No space is left on the disk: ${file} could not be written.`,
      fix: `df -h ${root}, then free some and run this again`,
    });
    expect(readdirSync(root)).toEqual([]);
  });

  test("without its folder ends a picture before the service is asked", async () => {
    const progress = { update: () => {}, stop: () => {}, log: () => {} } as never;
    const files = new StackFiles(pathsOf(root), "local");
    const done = makeImages(
      { ...context, paths: pathsOf(root), files, progress },
      "http://127.0.0.1:1",
      { prompt: "x" },
      { output: nowhere() },
    );
    await expect(done).rejects.toThrow("there is no folder");
  });
});

describe("an archive to restore", () => {
  test.each([
    ["a folder", () => root, "is a folder, not an archive. Fix: imagegen cache restore <file>"],
    ["not there", () => nowhere(), "does not exist. Fix: imagegen cache restore <file>"],
  ])("that is %s is refused before anything is started", async (_what, file, message) => {
    await expect(restoreFromFile(context, cache, runner, file())).rejects.toThrow(`${file()} ${message}`);
  });
});

describe("a failed command of image-gen prints one JSON document with --json", () => {
  const failed = (json: boolean, stdout: string) => {
    const write = vi.spyOn(process.stdout, "write").mockReset().mockReturnValue(true);
    try {
      printOutput({ json }, { exitCode: 1, stdout }, "x was not restored.");
      return undefined;
    } catch (error) {
      return { message: (error as Error).message, written: write.mock.calls.map(([text]) => text) };
    }
  };
  test("its own, else that of the error", () => {
    expect(failed(true, '{"error": {}}')).toEqual({ message: "", written: ['{"error": {}}\n'] });
    expect(failed(true, "")).toEqual({ message: "x was not restored.", written: [] });
    expect(failed(false, "damaged")).toEqual({ message: "x was not restored.", written: ["damaged\n"] });
  });
});

describe("files that only this command writes", () => {
  test.each(["local.overrides.json", "local.place.json"])("an empty %s is named, with its fix", (name) => {
    const file = join(root, ".imagegen/stacks", name);
    mkdirSync(join(file, ".."), { recursive: true });
    for (const text of ["", "{", "null"]) {
      writeFileSync(file, text);
      const files = new StackFiles(pathsOf(root), "local");
      const read = () => (name.includes("place") ? files.lastMode() : files.config());
      expect(read).toThrow(`${file} is ${text === "" ? "empty" : "no JSON object"}`);
      expect(read).toThrow(`Fix: rm '${file}'`);
    }
  });
});

describe("a disk that takes no file", () => {
  const at = (code: string, path?: string) => explainFileError({ code, path, syscall: "open" }, "/srv/my app");
  test("is explained in one line, with a fix", () => {
    expect(at("ENOSPC", "/srv/my app/.imagegen/x")).toEqual({
      message: "No space is left on the disk: /srv/my app/.imagegen/x could not be written.",
      fix: "df -h '/srv/my app', then free some and run this again",
    });
    expect(at("ENOSPC")?.message).toContain("/srv/my app");
    expect(at("EROFS", "/srv/my app/.imagegen")).toMatchObject({
      fix: "cp -R '/srv/my app' <a folder on another disk>",
    });
    expect(at("EACCES", "/srv/my app/.imagegen")?.fix).toBe(`sudo chown -R "$(id -u)" '/srv/my app'`);
    expect(at("EACCES", "/etc/shadow")).toBeUndefined();
    expect(at("ENOENT", "/srv/my app/x")).toBeUndefined();
  });
});

test("wrong arguments with --json are a JSON document on stdout, too", async () => {
  const options = { cwd: pathsOf().root, reject: false, stdin: "ignore" } as const;
  const run = (...args: string[]) => execa(process.execPath, ["cli/main.ts", ...args], options);
  const { stdout, stderr, exitCode } = await run("status", "--json", "--nope");
  expect(exitCode).toBe(2);
  expect(JSON.parse(stdout).error).toMatchObject({ exitCode: 2, message: expect.stringContaining("'--nope'") });
  expect(stderr).toContain("unknown option '--nope'");
}, 60_000);

test.runIf(existsSync("/dev/full"))(
  "an output that takes nothing is one line, and exit code 1",
  async () => {
    const options = { cwd: pathsOf().root, reject: false } as const;
    const { stderr, exitCode } = await execa(
      "sh",
      ["-c", '"$0" cli/main.ts --help > /dev/full', process.execPath],
      options,
    );
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^imagegen: The output can't be written: ENOSPC.* Fix: .*\.$/);
  },
  60_000,
);
