/** scripts/ci/commit.sh in a clone of a small repository: which commits may be deployed. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";

const IDENTITY = { GIT_AUTHOR_NAME: "a", GIT_AUTHOR_EMAIL: "a@b", GIT_COMMITTER_NAME: "a", GIT_COMMITTER_EMAIL: "a@b" };
const ALONE = { GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_SYSTEM: "/dev/null", ...IDENTITY };

let folder: string;
let output: string;
/** Commits by what they are. */
const commits: Record<string, string> = {};

const git = async (where: string, ...args: readonly string[]) =>
  (await execa("git", args, { cwd: join(folder, where), env: ALONE })).stdout;

async function commit(name: string): Promise<void> {
  await git("origin", "commit", "--quiet", "--allow-empty", "--message", name);
  commits[name] = await git("origin", "rev-parse", "HEAD");
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "imagegen-commit-"));
  output = join(folder, "output");
  mkdirSync(join(folder, "origin"));
  await git("origin", "init", "--quiet", "--initial-branch", "main");
  await commit("first");
  await git("origin", "tag", "--annotate", "v1", "--message", "v1");
  await git("origin", "checkout", "--quiet", "-b", "merged");
  await commit("on the way");
  await commit("reviewed");
  await git("origin", "checkout", "--quiet", "main");
  await git("origin", "merge", "--quiet", "--no-ff", "--message", "merge", "merged");
  commits.newest = await git("origin", "rev-parse", "HEAD");
  await git("origin", "checkout", "--quiet", "-b", "mine");
  await commit("unreviewed");
  // Whoever may push may push this: Git takes a tag's name before a branch's.
  await git("origin", "tag", "origin/main");
  await git("origin", "checkout", "--quiet", "main");
  await git("", "clone", "--quiet", "origin", "clone");
  mkdirSync(join(folder, "clone/scripts/ci"), { recursive: true });
  for (const name of ["common.sh", "commit.sh"]) cpSync(`scripts/ci/${name}`, join(folder, "clone/scripts/ci", name));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => rmSync(output, { force: true }));

const run = (asked: string) =>
  execa(join(folder, "clone/scripts/ci/commit.sh"), ["main"], {
    env: { ...ALONE, IMAGEGEN_COMMIT: asked, GITHUB_OUTPUT: output, GITHUB_ACTIONS: "" },
    reject: false,
    all: true,
  });

test.each([
  ["first", () => commits.first],
  ["first", () => commits.first?.slice(0, 12)],
  ["first", () => "v1"],
  ["newest", () => commits.newest],
  ["newest", () => "main"],
])("a commit that main was at is found: %s, asked for as %s", async (name, asked) => {
  const ended = await run(asked() ?? "");
  expect([ended.exitCode, ended.all]).toEqual([0, commits[name]]);
  expect(readFileSync(output, "utf8")).toMatch(new RegExp(`^sha<<(\\S+)\\n${commits[name]}\\n\\1\\n$`));
});

test.each([
  ["a branch that is not merged", () => "mine", "unreviewed"],
  ["its commit", () => commits.unreviewed, "unreviewed"],
  ["a tag with the name of origin's branch", () => "origin/main", "unreviewed"],
  ["a commit within a branch that was merged", () => commits["on the way"], "on the way"],
])("%s is refused in one line, without an output", async (_, asked, name) => {
  const ended = await run(asked() ?? "");
  expect([ended.exitCode, ended.all]).toEqual([
    1,
    `IMAGEGEN_COMMIT: expected a commit that main was at, got ${commits[name]}. Fix: merge it into main, or choose one of git log --first-parent origin/main`,
  ]);
  expect(existsSync(output)).toBe(false);
});

test.each(["refs/pull/7/head", "--all", "$(id)", "0".repeat(40)])("%s is no commit of the clone", async (asked) => {
  const ended = await run(asked);
  expect(ended.exitCode).toBe(1);
  expect(ended.all).toContain(`got ${asked}, which is none of this repository. Fix: git log`);
  expect(existsSync(output)).toBe(false);
});

test("with nothing asked for it says what to set", async () => {
  expect((await run("")).all).toContain("IMAGEGEN_COMMIT: expected a value, got nothing.");
});
