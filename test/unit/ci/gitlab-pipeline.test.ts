/** The jobs of each pipeline, by gitlab-ci-local, which checks the file with GitLab's own schema and applies its rules. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { paths } from "../../support/paths.ts";

const FILE = ".gitlab-ci.yml";
let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "imagegen-gitlab-"));
  copyFileSync(join(paths.root, FILE), join(folder, FILE));
  const git = (...args: string[]) =>
    execa("git", ["-c", "user.name=a", "-c", "user.email=a@example.com", ...args], { cwd: folder });
  await git("init", "--quiet", "--initial-branch=main");
  await git("commit", "--quiet", "--allow-empty", "--message=a");
  await git("remote", "add", "origin", "git@gitlab.example.com:group/repo.git");
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Names of the jobs that GitLab would put into the pipeline; throws with what is wrong with the file. */
async function jobsOf(source: string, ...options: string[]): Promise<string[]> {
  const variables = [`--variable=CI_PIPELINE_SOURCE=${source}`, "--ignore-predefined-vars=CI_PIPELINE_SOURCE"];
  const program = join(paths.root, "node_modules/.bin/gitlab-ci-local");
  const { stdout } = await execa(program, ["--list-csv", "--home", folder, ...variables, ...options], {
    cwd: folder,
    env: { NO_COLOR: "1" },
  });
  const [, ...rows] = stdout.slice(stdout.indexOf("name;")).split("\n");
  return rows.map((row) => row.split(";")[0] ?? "");
}

describe("GitLab's pipeline", () => {
  test("of the default branch checks, waits for an update by hand, and redacts after it", async () => {
    expect(await jobsOf("push")).toEqual(["check", "test", "up", "redact"]);
  });

  test("of a merge request checks and previews, and changes nothing", async () => {
    const jobs = await jobsOf("merge_request_event", "--unset-variable=CI_COMMIT_BRANCH");
    expect(jobs).toEqual(["check", "test", "preview"]);
  });

  test("of a schedule looks for drift", async () => {
    expect(await jobsOf("schedule")).toEqual(["drift"]);
  });
});

test.each([
  ["a key that GitLab does not know", "resource_group:", "resource_grp:", /resource_grp|additionalProperties/],
  ["a value of the wrong type", "timeout: 60 minutes", "timeout: [60]", /timeout/],
  ["a job that is not there", "needs: [up]", "needs: [update]", /needs: \[update\] for redact could not be found/],
  ["a stage that is not there", "stage: watch", "stage: night", /night/],
])("a file with %s is refused", async (_, right, wrong, message) => {
  const text = readFileSync(join(folder, FILE), "utf8");
  expect(text).toContain(right);
  writeFileSync(join(folder, FILE), text.replaceAll(right, wrong));
  await expect(jobsOf("push")).rejects.toThrow(message);
});
