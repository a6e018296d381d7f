/** scripts/ci/comment.sh with a `gh` that knows a pull request's comments: one comment, which later runs replace. */
import { copyFileSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CiScripts } from "../../support/ci-scripts.ts";

const BOT = "github-actions[bot]";
const MARKER = "<!-- imagegen-preview -->";

let scripts: CiScripts;
let file: string;
beforeEach(() => {
  scripts = new CiScripts();
  file = join(scripts.folder, "report.md");
  writeFileSync(file, "### What $(id) would do\n");
  gh();
});
afterEach(() => scripts.remove());

/** A `gh` that knows these comments: id, author and first line. It keeps the body that it is given. */
function gh(...comments: readonly (readonly [number, string, string])[]): void {
  writeFileSync(join(scripts.folder, "comments"), comments.map((each) => `${each.join("\t")}\n`).join(""));
  scripts.command(
    "gh",
    `case "$*" in *--paginate*) cat "${scripts.folder}/comments" ;; esac
for word; do case "$word" in body=@*) cp "\${word#body=@}" "${scripts.folder}/body" ;; esac; done`,
  );
}
const run = () => scripts.run("comment.sh", [file], { GITHUB_REPOSITORY: "org/repo", IMAGEGEN_PULL_REQUEST: "12" });
const changes = () =>
  scripts
    .calls()
    .filter((call) => !call.includes("--paginate"))
    .map((call) => call.replace(/body=@\S+/, "body=@FILE"));

test("the first one is made beside those of people and of other workflows", async () => {
  gh([3, BOT, "A bundle report"], [4, "stranger", MARKER], [5, BOT, `Quoted: ${MARKER}`]);
  expect((await run()).exitCode).toBe(0);
  expect(changes()).toEqual(["gh api --silent --method POST repos/org/repo/issues/12/comments --field body=@FILE"]);
  const body = readFileSync(join(scripts.folder, "body"), "utf8");
  expect(body).toBe(`${MARKER}\n### What $(id) would do\n`);
});

test("a later one takes its place, though something else was said since", async () => {
  gh([3, BOT, MARKER], [9, BOT, "A bundle report"]);
  expect((await run()).exitCode).toBe(0);
  expect(changes()).toEqual(["gh api --silent --method PATCH repos/org/repo/issues/comments/3 --field body=@FILE"]);
});

test("of nothing, or of another file of the job, none is made", async () => {
  const other = join(scripts.folder, "token");
  copyFileSync(file, other);
  writeFileSync(file, "");
  expect((await run()).all).toContain("expected a report, got nothing");
  file = join(scripts.folder, "link.md");
  symlinkSync(other, file);
  const ended = await run();
  expect([ended.exitCode, ended.all, changes()]).toEqual([1, expect.stringContaining("expected a report"), []]);
});
