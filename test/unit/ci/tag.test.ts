/** scripts/ci/tag.sh with a `gh` that knows one tag: of what a release is made. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CiScripts } from "../../support/ci-scripts.ts";

let scripts: CiScripts;
beforeEach(() => {
  scripts = new CiScripts();
  scripts.command("gh", '[ "$2" = repos/org/repo/commits/tags/v1.2.0 ] && echo c0ffee');
});
afterEach(() => scripts.remove());

const STARTED = {
  GITHUB_REPOSITORY: "org/repo",
  GITHUB_SHA: "c0ffee",
  GITHUB_REF_TYPE: "tag",
  GITHUB_REF_NAME: "v1.2.0",
};
const run = (environment: Readonly<Record<string, string>> = {}) => {
  const output = join(scripts.folder, "output");
  return scripts.run("tag.sh", [], { ...STARTED, GITHUB_OUTPUT: output, ...environment });
};

test("the tag and its commit are the outputs", async () => {
  const ended = await run();
  expect([ended.exitCode, ended.all]).toEqual([0, "v1.2.0 is c0ffee"]);
  expect(scripts.calls()).toEqual(["gh api repos/org/repo/commits/tags/v1.2.0 --jq .sha"]);
  const output = readFileSync(join(scripts.folder, "output"), "utf8");
  expect(output).toMatch(/^tag<<(\S+)\nv1\.2\.0\n\1\nsha<<(\S+)\nc0ffee\n\2\n$/);
});

test.each([
  [
    { GITHUB_REF_TYPE: "branch", GITHUB_REF_NAME: "main" },
    "The workflow was started on the branch main: expected a tag v…. Fix: gh workflow run release.yml --ref v<version>",
  ],
  [
    { GITHUB_REF_TYPE: "branch" },
    "The workflow was started on the branch v1.2.0: expected a tag v…. Fix: gh workflow run release.yml --ref v<version>",
  ],
  [
    { GITHUB_REF_NAME: "nightly" },
    "The workflow was started on the tag nightly: expected a tag v…. Fix: gh workflow run release.yml --ref v<version>",
  ],
  [
    { GITHUB_SHA: "decaf" },
    "v1.2.0: expected decaf, which the workflow was started on, got c0ffee: the tag was moved. Fix: gh workflow run release.yml --ref v1.2.0",
  ],
  [{ GITHUB_REF_NAME: "v1.3.0" }, "v1.3.0: expected a tag of the repository, got none. Fix: git push origin v1.3.0"],
])("with %j nothing is released", async (environment, line) => {
  const ended = await run(environment);
  expect([ended.exitCode, ended.all]).toEqual([1, line]);
});
