/** The workflows' scripts with commands that only write down how they were called. The engine suite runs them for real. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, expect, test } from "vitest";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "imagegen-ci-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const LIST = `[{"name": "other"}, {"name": "aws-volume"}]`;

/** A command on PATH: it notes its arguments, then does what `body` says. */
function command(name: string, body = "true"): void {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/bash\necho "${name} $*" >>"${folder}/calls"\n${body}\n`);
  chmodSync(path, 0o755);
}

/** A Pulumi that knows two stacks; `body` is what it does when asked anything else. */
const pulumi = (body: string) =>
  command("pulumi", `if [ "$1 $2" = "stack ls" ]; then echo '${LIST}'; exit; fi\n${body}`);
function calls(): string[] {
  const path = join(folder, "calls");
  return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
}

async function script(name: string, args: readonly string[] = [], environment: Record<string, string> = {}) {
  const stack = { IMAGEGEN_STACK: "aws-volume", PULUMI_BACKEND_URL: "file:///nowhere", GITHUB_ACTIONS: "" };
  const env = { ...stack, PATH: `${folder}:${process.env.PATH}`, ...environment };
  return execa(`scripts/ci/${name}`, args, { env, reject: false, all: true });
}

test("up asks for the stack, by the policy pack, once", async () => {
  pulumi("exit 3");
  expect((await script("up.sh")).exitCode).toBe(3);
  expect(calls().slice(1)).toEqual([
    "pulumi up --stack aws-volume --non-interactive --color never --yes --policy-pack policy --suppress-progress",
  ]);
});

test.each([
  ["up.sh", { IMAGEGEN_STACK: "" }, "IMAGEGEN_STACK: expected a value, got nothing."],
  [
    "up.sh",
    { IMAGEGEN_STACK: "aws" },
    "IMAGEGEN_STACK: expected a stack of this state, got aws. Fix: pulumi stack init aws",
  ],
  ["drift.sh", { PULUMI_BACKEND_URL: "" }, "PULUMI_BACKEND_URL: expected a value, got nothing."],
])("%s with %j ends in one line", async (name, environment, line) => {
  pulumi("true");
  const ended = await script(name, [], environment);
  expect(ended.exitCode).toBe(1);
  expect(ended.all).toContain(line);
  expect(calls().filter((call) => !call.startsWith("pulumi stack ls"))).toEqual([]);
});

test("a preview's report is the end of a long one, fenced, and its exit code is the preview's", async () => {
  pulumi(`printf 'x%.0s' $(seq 70000); echo; echo '\`\`\`'; echo the end; exit 4`);
  const file = join(folder, "report.md");
  expect((await script("preview.sh", [file])).exitCode).toBe(4);
  const report = readFileSync(file, "utf8");
  expect(report.length).toBeLessThan(65_536);
  expect(report).toMatch(/^### `pulumi preview` of aws-volume failed\n\n````text\n/);
  expect(report).toContain("```\nthe end\n````\n");
});

test("a comment takes the last one's place, and is not made of nothing", async () => {
  command("gh");
  const file = join(folder, "report.md");
  const asked = { IMAGEGEN_PULL_REQUEST: "12" };
  expect((await script("comment.sh", [file], asked)).all).toContain("expected a report, got nothing");
  writeFileSync(file, "report");
  expect((await script("comment.sh", [file], asked)).exitCode).toBe(0);
  expect(calls()).toEqual([`gh pr comment 12 --body-file ${file} --edit-last --create-if-none`]);
});

test.each([
  ["refresh", "what is there is not what was deployed"],
  ["preview", "what was deployed is not what the code says"],
])("drift that %s finds fails the job, and the summary says it", async (question, line) => {
  pulumi(`echo "answer to $1"; [ "$1" != ${question} ]`);
  const summary = join(folder, "summary.md");
  const ended = await script("drift.sh", [], { GITHUB_STEP_SUMMARY: summary, GITHUB_ACTIONS: "true" });
  expect(ended.exitCode).toBe(1);
  expect(ended.all).toContain(`::error::aws-volume: ${line}.`);
  expect(readFileSync(summary, "utf8")).toContain(`answer to ${question}`);
  expect(calls().slice(1)).toEqual([
    "pulumi refresh --stack aws-volume --non-interactive --color never --preview-only --expect-no-changes --diff",
    "pulumi preview --stack aws-volume --non-interactive --color never --expect-no-changes --diff",
  ]);
});

test("preparing installs the lock file's packages, and no second Pulumi", async () => {
  command("npm");
  command("node");
  pulumi("echo v3.260.0");
  expect((await script("prepare.sh")).exitCode).toBe(0);
  expect(calls()).toEqual(["npm ci --no-audit --no-fund", "pulumi version"]);
});

test("the builder is made once", async () => {
  const made = join(folder, "made");
  const body = `case "$2 $3" in "inspect imagegen") [ -e ${made} ];; "create --name") touch ${made};; esac`;
  command("docker", body);
  for (let run = 0; run < 2; run += 1) expect((await script("builder.sh")).exitCode).toBe(0);
  const create = "docker buildx create --name imagegen --driver docker-container";
  expect(calls().filter((call) => call.includes("create"))).toEqual([create]);
});
