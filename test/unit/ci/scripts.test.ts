/** The workflows' scripts with commands that only write down how they were called. The engine suite runs them for real. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CiScripts } from "../../support/ci-scripts.ts";

let scripts: CiScripts;
let folder: string;
beforeEach(() => {
  scripts = new CiScripts();
  folder = scripts.folder;
});
afterEach(() => scripts.remove());

const PREVIEWS = { IMAGEGEN_PREVIEW_STATE: "s3://bucket/previews" };
const command = (name: string, body?: string) => scripts.command(name, body);
const pulumi = (body: string) => scripts.pulumi(body);
const calls = () => scripts.calls();
const script: CiScripts["run"] = (...given) => scripts.run(...given);

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

test.each([
  ["success success", 0, "All jobs succeeded."],
  ["success failure", 1, "A job of this workflow ended with failure. Fix: what that job printed"],
  ["skipped success", 1, "A job of this workflow ended with skipped. Fix: what that job printed"],
  ["cancelled", 1, "A job of this workflow ended with cancelled. Fix: what that job printed"],
])("after jobs that ended with %s the check ends with %i", async (results, exitCode, line) => {
  const ended = await script("results.sh", [], { IMAGEGEN_RESULTS: results });
  expect([ended.exitCode, ended.all]).toEqual([exitCode, line]);
});

test("preparing installs the lock file's packages, and no second Pulumi", async () => {
  command("npm");
  command("node");
  pulumi("echo v3.260.0");
  expect((await script("prepare.sh")).exitCode).toBe(0);
  expect(calls()).toEqual(["npm ci --no-audit --no-fund", "pulumi version"]);
});

test.each([
  ["", ""],
  ["1", " imagegen"],
])("the builder is made once, with DOCKER_TLS_VERIFY %j of a context", async (verify, context) => {
  const made = join(folder, "made");
  const body = `case "$1 $2 $3" in
"buildx inspect imagegen") [ -e ${made} ];;
"buildx create --name") touch ${made};;
"context inspect imagegen") [ -e ${made}-context ];;
"context create imagegen") touch ${made}-context;;
esac`;
  command("docker", body);
  for (let run = 0; run < 2; run += 1)
    expect((await script("builder.sh", [], { DOCKER_TLS_VERIFY: verify })).exitCode).toBe(0);
  const create = `docker buildx create --name imagegen --driver docker-container${context}`;
  const contexts = verify === "" ? [] : ["docker context create imagegen"];
  expect(calls().filter((call) => call.includes("create"))).toEqual([...contexts, create]);
});

const BENCHES = Object.keys(
  (JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> }).scripts,
).filter((name) => name.startsWith("bench:"));

test.each(["tiny", "full"])(
  "the %s benches all run, and one that misses a bar fails the job after the others",
  async (size) => {
    command("sudo", 'shift 3; exec "$@"');
    command("npm", '[ "$3" != bench:startup ]');
    const ended = await script("bench.sh", [size]);
    const ran = new Set(calls().flatMap((call) => /^npm run --silent (bench:\w+)/.exec(call)?.[1] ?? []));
    expect(ended.exitCode).toBe(1);
    expect(ended.all).toContain("benches that missed a bar, or did not run: startup");
    expect(size === "full" ? BENCHES.filter((name) => !ran.has(name)) : ran.has("bench:page")).toEqual(
      size === "full" ? [] : true,
    );
  },
);

test("benches that meet their bars end with 0, and another size with 2", async () => {
  command("npm");
  expect((await script("bench.sh", ["tiny"])).exitCode).toBe(0);
  expect((await script("bench.sh", ["small"])).exitCode).toBe(2);
});
