/** What the stacks of a pull request would be, without a right to anything. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { awsPlanWith } from "../../support/aws-settings.ts";
import { CiScripts } from "../../support/ci-scripts.ts";

let scripts: CiScripts;
let summary: string;
beforeEach(() => {
  scripts = new CiScripts();
  summary = join(scripts.folder, "summary.md");
});
afterEach(() => scripts.remove());

const run = (args: readonly string[], environment: Readonly<Record<string, string>> = {}) =>
  scripts.run("plan.sh", args, { GITHUB_STEP_SUMMARY: summary, ...environment });

/** A checkout with one stack; in it and in ours, `imagegen plan` answers with the same plan. */
function base(stack: string): string {
  mkdirSync(join(scripts.folder, "base/stacks"), { recursive: true });
  writeFileSync(join(scripts.folder, `base/stacks/Pulumi.${stack}.yaml`), "");
  return join(scripts.folder, "base");
}

function npm(body = ""): void {
  writeFileSync(join(scripts.folder, "plan"), JSON.stringify(awsPlanWith()));
  const answer = `case "$*" in *--json) cat "${scripts.folder}/plan" ;; *) echo "model  a name" ;; esac`;
  scripts.command(
    "npm",
    `[ "$PWD" = "${process.cwd()}" ] || echo "in base" >>"${scripts.folder}/calls"\n${body}\n${answer}`,
  );
}

test("a checkout's own stacks are planned, the one for CI with a repository, and neither asks for credentials", async () => {
  const none = {
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
  };
  const ended = await run(["aws-volume", "ci"], { ...none, HOME: scripts.folder, GITHUB_REPOSITORY: "org/repo" });
  expect(ended.exitCode, ended.all).toBe(0);
  const text = readFileSync(summary, "utf8");
  const running = awsPlanWith().cost.runningUsdPerMonth.toFixed(2);
  expect(text).toMatch(/^### `aws-volume`\n\n\| USD a month \|/);
  expect(text).toContain(`| running |  | ${running} |  |`);
  expect(text).toContain(`\ncost         ${running} USD a month\n`);
  expect(text).toContain("### `ci`\n\nThe plan has no list of costs");
  expect(text).toContain("repo:org/repo:environment:preview");
  expect(ended.all).not.toContain("There is no plan");
});

test("the cost before is the base's, of stacks that it has", async () => {
  npm();
  const ended = await run(["aws-volume", "local"], { IMAGEGEN_BASE: base("aws-volume") });
  expect(ended.exitCode, ended.all).toBe(0);
  expect(scripts.calls()).toEqual([
    "npm run --silent imagegen -- plan --stack aws-volume --offline",
    "npm run --silent imagegen -- plan --stack aws-volume --offline --json",
    "npm run --silent imagegen -- plan --stack aws-volume --offline --json",
    "in base",
    "npm run --silent imagegen -- plan --stack local --offline",
    "npm run --silent imagegen -- plan --stack local --offline --json",
  ]);
  const [volume = "", local = ""] = readFileSync(summary, "utf8").split("### `local`");
  expect(volume).toMatch(/\| running \| ([\d.]+) \| \1 \| 0\.00 \|/);
  expect(local).toContain("there is no plan of the base");
});

test("a stack without a plan fails the job after the others, and the summary has the reason", async () => {
  npm('case "$*" in *aws-baked*) echo "port: expected a number" >&2; exit 1 ;; esac');
  const ended = await run(["aws-baked", "aws-volume"]);
  expect(ended.exitCode).toBe(1);
  expect(ended.all).toContain(
    "no plan of these stacks: aws-baked. Fix: npm run imagegen -- plan --stack <stack> --offline",
  );
  const [baked = "", volume = ""] = readFileSync(summary, "utf8").split("### `aws-volume`");
  expect(baked).toMatch(/<details open><summary>The plan<\/summary>\n\n``````text\nport: expected a number\n/);
  expect(volume).toContain("| running |");
});

test("without names it takes every stack of the checkout", async () => {
  npm();
  expect((await run([])).exitCode).toBe(0);
  const planned = [...readFileSync(summary, "utf8").matchAll(/^### `(.+)`$/gm)].map(([, name]) => name);
  expect(planned.map((name) => `Pulumi.${name}.yaml`)).toEqual(readdirSync("stacks").sort());
});
