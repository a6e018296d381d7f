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

const PREVIEWS = { IMAGEGEN_PREVIEW_STATE: "s3://bucket/previews" };
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
  ["redact.sh", { IMAGEGEN_PREVIEW_STATE: "" }, "IMAGEGEN_PREVIEW_STATE: expected a value, got nothing."],
])("%s with %j ends in one line", async (name, environment, line) => {
  pulumi("true");
  const ended = await script(name, [], environment);
  expect(ended.exitCode).toBe(1);
  expect(ended.all).toContain(line);
  expect(calls().filter((call) => !call.startsWith("pulumi stack ls"))).toEqual([]);
});

test("a preview's report is the end of a long one, fenced, and its exit code is the preview's", async () => {
  command("aws", 'echo "{}" >"$5"');
  command("node");
  pulumi(`printf 'x%.0s' $(seq 70000); echo; echo '\`\`\`'; echo the end; exit 4`);
  const file = join(folder, "report.md");
  expect((await script("preview.sh", [file], PREVIEWS)).exitCode).toBe(4);
  const report = readFileSync(file, "utf8");
  expect(report.length).toBeLessThan(65_536);
  expect(report).toMatch(/^### `pulumi preview` of aws-volume failed\n\n````text\n/);
  expect(report).toContain("```\nthe end\n````\n");
});

test("a preview reads the copy of the state, with a backend and a passphrase of its own", async () => {
  command("aws", 'echo "{}" >"$5"');
  command("node", `echo "$PULUMI_BACKEND_URL $PULUMI_CONFIG_PASSPHRASE" >>"${folder}/backend"`);
  pulumi("true");
  const secrets = { PULUMI_BACKEND_URL: "s3://state", PULUMI_CONFIG_PASSPHRASE: "of the state" };
  expect((await script("preview.sh", [join(folder, "report.md")], { ...PREVIEWS, ...secrets })).exitCode).toBe(0);
  expect(readFileSync(join(folder, "backend"), "utf8")).toMatch(/^file:\/\/\S+\/backend preview\n$/);
  const [copy, open, preview] = calls();
  expect(copy).toMatch(/^aws s3 cp --only-show-errors s3:\/\/bucket\/previews\/aws-volume.json \S+\/state.json$/);
  expect(open).toMatch(/^node scripts\/preview\/open.ts aws-volume \S+\/state.json \S+$/);
  expect(preview).toMatch(
    /^pulumi preview --stack aws-volume .*--config-file \S+\/Pulumi.aws-volume.yaml --policy-pack policy --diff$/,
  );
});

test("what is published for previews is what was redacted, and nothing when that failed", async () => {
  command("aws");
  command("node", 'echo copy >"$3"');
  pulumi("true");
  expect((await script("redact.sh", [], PREVIEWS)).exitCode).toBe(0);
  const [redacted, copied] = calls().slice(1);
  expect(redacted).toMatch(/^node scripts\/preview\/publish.ts aws-volume \S+$/);
  expect(copied).toBe(`aws s3 cp --only-show-errors ${redacted?.split(" ")[3]} s3://bucket/previews/aws-volume.json`);
  rmSync(join(folder, "calls"));
  command("node", "exit 1");
  const ended = await script("redact.sh", [], PREVIEWS);
  expect([ended.exitCode, ended.all]).toEqual([1, "aws-volume: no copy of its state was written for previews"]);
  expect(calls().filter((call) => call.startsWith("aws"))).toEqual([]);
});

const df = (gigabytes: number) => command("df", `printf 'Avail\n %sGB\n' ${gigabytes}`);
test.each([
  ["github-hosted", 40, 0],
  ["github-hosted", 39, 1],
  ["self-hosted", 40, 0],
  ["", 40, 0],
])("on a runner that is %j, with %i GB free, a build of 40 GB ends with %i", async (kind, free, exitCode) => {
  command("sudo");
  command("docker", "echo /var/lib/docker");
  df(free);
  const ended = await script("space.sh", ["40"], { RUNNER_ENVIRONMENT: kind });
  expect(ended.exitCode).toBe(exitCode);
  if (exitCode === 1)
    expect(ended.all).toContain("Docker's disk at /var/lib/docker: expected 40 GB free, got 39. Fix: ");
  const removed = calls().filter((call) => call.startsWith("sudo rm -rf /usr/local/lib/android "));
  // Nobody else's toolchains are deleted.
  expect(removed).toHaveLength(kind === "github-hosted" ? 1 : 0);
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
