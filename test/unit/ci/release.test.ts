/** scripts/ci/release.sh in a copy of what it reads, with a `gh` that only writes down how it was called. */
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, expect, test } from "vitest";

const CHANGELOG = `# Changelog

## Unreleased

- Later.

## 1.2.0 - 2026-11-25

### Added

- This.

## 1.1.0 - 2026-01-01

- Earlier.
`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "imagegen-release-"));
  mkdirSync(join(folder, "scripts/ci"), { recursive: true });
  for (const name of ["common.sh", "release.sh"]) cpSync(`scripts/ci/${name}`, join(folder, "scripts/ci", name));
  writeFileSync(join(folder, "package.json"), '{\n  "name": "x",\n  "version": "1.2.0",\n  "private": true\n}\n');
  writeFileSync(join(folder, "CHANGELOG.md"), CHANGELOG);
  const gh = join(folder, "gh");
  writeFileSync(gh, `#!/bin/bash\necho "$*" >"${folder}/call"\nfor last; do :; done; cp "$last" "${folder}/notes"\n`);
  chmodSync(gh, 0o755);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function release(tag: string, args: readonly string[] = []) {
  const env = { PATH: `${folder}:${process.env.PATH}`, IMAGEGEN_TAG: tag, GITHUB_ACTIONS: "" };
  return execa(join(folder, "scripts/ci/release.sh"), args, { env, reject: false, all: true });
}

test("a release is drafted with the changelog's section of its version", async () => {
  expect((await release("v1.2.0")).all).toBe("");
  expect(readFileSync(join(folder, "call"), "utf8")).toMatch(/^release create v1\.2\.0 --draft --verify-tag /);
  expect(readFileSync(join(folder, "notes"), "utf8").trim()).toBe("### Added\n\n- This.");
});

test("a draft has the files of the folder, and one without any is refused", async () => {
  mkdirSync(join(folder, "files"));
  const ended = await release("v1.2.0", ["files"]);
  expect([ended.exitCode, ended.all]).toEqual([
    1,
    expect.stringContaining("files: expected the files of a release, got none. Fix: "),
  ]);
  for (const name of ["SHA256SUMS", "x.tgz"]) writeFileSync(join(folder, "files", name), name);
  expect((await release("v1.2.0", ["files"])).exitCode).toBe(0);
  const call = readFileSync(join(folder, "call"), "utf8");
  expect(call).toMatch(/^release create v1\.2\.0 files\/SHA256SUMS files\/x\.tgz --draft --verify-tag /);
});

test.each([
  ["v1.3.0", "IMAGEGEN_TAG: expected v1.2.0, the version in package.json, got v1.3.0. Fix: git tag v1.2.0"],
  ["", "IMAGEGEN_TAG: expected a value, got nothing."],
])("a release of the tag %j is refused in one line", async (tag, line) => {
  const ended = await release(tag);
  expect(ended.exitCode).toBe(1);
  expect(ended.all).toContain(line);
  expect(existsSync(join(folder, "call"))).toBe(false);
});

test("a release without a section in the changelog is refused", async () => {
  writeFileSync(join(folder, "CHANGELOG.md"), CHANGELOG.replace("## 1.2.0", "## 1.2.1"));
  const ended = await release("v1.2.0");
  expect(ended.exitCode).toBe(1);
  expect(ended.all).toContain("CHANGELOG.md: expected a section ## 1.2.0, got none. Fix: ");
  expect(existsSync(join(folder, "call"))).toBe(false);
});
