import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { DEFAULT_MODEL_ID } from "../../../infra/contract.ts";
import { readManifest } from "../../../infra/io/manifests.ts";
import { makePlan } from "../../../infra/plan/plan.ts";
import { planRoom } from "../../../infra/plan/room.ts";
import { NAMES, PARTS, partsOf } from "../../suites.ts";
import { settingsWith } from "../../support/settings.ts";

interface Step {
  readonly id?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}

interface Job {
  readonly uses?: string;
  readonly with?: Readonly<Record<string, string>>;
  readonly if?: string;
  readonly needs?: string | readonly string[];
  readonly outputs?: Readonly<Record<string, string>>;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly environment?: string;
  readonly concurrency?: { readonly group: string; readonly "cancel-in-progress": unknown };
  readonly steps?: readonly Step[];
  readonly "timeout-minutes"?: number;
}

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly concurrency?: { readonly group: string };
  readonly jobs: Readonly<Record<string, Job>>;
}

const FOLDER = ".github/workflows";
const PREPARE = ".github/actions/prepare/action.yml";
const FILES = ["check.yml", "deploy.yml", "drift.yml", "preview.yml", "release.yml"];
const text = (file: string) => readFileSync(`${FOLDER}/${file}`, "utf8");
const read = (file: string) => parse(text(file)) as Workflow;
const jobs = (file: string): Job[] => Object.values(read(file).jobs);
const steps = (file: string): Step[] => jobs(file).flatMap((job) => job.steps ?? []);

/** As GitHub writes one. */
const expression = (text: string) => `\${{ ${text} }}`;

/** What a job checks out, each time. */
const checkouts = (job: Job | undefined) =>
  (job?.steps ?? []).filter(({ uses }) => uses?.startsWith("actions/checkout@")).map((step) => step.with?.ref);

test("these are all workflows", () => {
  expect(readdirSync(FOLDER).sort()).toEqual(FILES);
});

function expectPinned(workflow: string): void {
  const uses = [...workflow.matchAll(/uses: (\S+)(.*)/g)].map(([, action = "", comment = ""]) => [action, comment]);
  expect(uses.length).toBeGreaterThan(0);
  for (const [action, comment] of uses) {
    if (action?.startsWith("./")) expect(existsSync(action)).toBe(true);
    else expect(`${action}${comment}`).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  }
}

describe.each(FILES)("%s", (file) => {
  test("runs scripts of the checkout and nothing else", () => {
    const runs = steps(file).flatMap(({ run }) => run ?? []);
    for (const run of runs) {
      // One command, no expression: what a pull request's title says is never a shell's to read.
      expect(run).toMatch(/^scripts\/ci\/[a-z]+\.sh(?: [\w./-]+)*$/);
      accessSync(String(run.split(" ")[0]), constants.X_OK);
    }
  });

  test("pins every action by commit, and says which version that is", () => expectPinned(text(file)));

  test("says what its token may do, and that is little", () => {
    const { permissions, jobs } = read(file);
    const granted = [permissions, ...Object.values(jobs).map((job) => job.permissions)];
    expect(permissions).toBeDefined();
    const all = granted.flatMap((grant) => Object.entries(grant ?? {}));
    for (const [scope, access] of all) {
      const writable = file === "release.yml" ? ["contents"] : ["id-token", "pull-requests"];
      if (access !== "read") expect(writable).toContain(scope);
    }
  });

  test("ends by itself, and leaves no log-in behind", () => {
    for (const job of jobs(file)) if (job.steps) expect(job["timeout-minutes"]).toBeLessThanOrEqual(180);
    const checkouts = steps(file).filter(({ uses }) => uses?.startsWith("actions/checkout@"));
    for (const { with: given } of checkouts) expect(given?.["persist-credentials"]).toBe(false);
  });

  test("gives secrets to the one step that needs them", () => {
    const whole = text(file).match(/secrets\./g)?.length ?? 0;
    const inSteps = steps(file).flatMap(({ env }) =>
      Object.values(env ?? {}).filter((value) => value.includes("secrets.")),
    );
    expect(inSteps).toHaveLength(whole);
  });
});

test("what prepares a job pins its actions too, and runs a script of the checkout", () => {
  const action = readFileSync(PREPARE, "utf8");
  expectPinned(action);
  const { runs } = parse(action) as { runs: { steps: readonly Step[] } };
  expect(runs.steps.flatMap(({ run }) => run ?? [])).toEqual(["scripts/ci/prepare.sh"]);
});

test("the jobs of check.yml run every part of every suite", () => {
  const runs = steps("check.yml").flatMap(({ run }) => run ?? []);
  const tested = runs.flatMap((run) => {
    const [script, ...words] = run.split(" ");
    if (script === "scripts/ci/check.sh") return ["check quick"];
    if (script !== "scripts/ci/test.sh") return [];
    const parts = PARTS.filter((part) => !words[0]?.startsWith("--") || words[0] === `--${part}`);
    return words.filter((word) => !word.startsWith("--")).flatMap((name) => parts.map((part) => `${name} ${part}`));
  });
  const all = NAMES.flatMap((name) => partsOf(name).map((part) => `${name} ${part}`));
  expect(all.filter((part) => !tested.includes(part))).toEqual([]);
  expect(new Set(tested).size).toBe(tested.length);
});

test("one update of a stack runs at a time, after the checks and an approval, and is never stopped half-way", () => {
  const { up, check } = read("deploy.yml").jobs;
  expect(check?.uses).toBe("./.github/workflows/check.yml");
  expect(up).toMatchObject({ needs: ["commit", "check"], environment: "production" });
  expect(up?.concurrency?.group).toContain("vars.IMAGEGEN_STACK");
  expect(up?.concurrency?.["cancel-in-progress"]).toBe(false);
  expect(Object.keys(read("deploy.yml").on).sort()).toEqual(["push", "workflow_dispatch"]);
});

test("what is checked is the commit that is deployed or released, whatever the workflow was started on", () => {
  const { commit, check, up } = read("deploy.yml").jobs;
  const [{ id, with: asked } = {}] = commit?.steps ?? [];
  expect(asked?.ref).toBe(expression("inputs.ref || github.sha"));
  expect(commit?.outputs).toEqual({ sha: expression(`steps.${id}.outputs.commit`) });
  expect(check).toMatchObject({ needs: "commit", with: { ref: expression("needs.commit.outputs.sha") } });
  expect(checkouts(up)).toEqual([expression("needs.commit.outputs.sha")]);
  const release = read("release.yml").jobs;
  expect(checkouts(release.draft)).toEqual([release.check?.with?.ref]);
  // With nothing asked for, it is the commit that started the workflow.
  const checked = jobs("check.yml").flatMap(checkouts);
  expect(checked).toHaveLength(jobs("check.yml").length);
  expect([...new Set(checked)]).toEqual([expression("inputs.ref")]);
});

test("the disk has room for the largest build before one begins", () => {
  const room = planRoom(
    makePlan(settingsWith({ modelCache: "baked" }), readManifest(DEFAULT_MODEL_ID), { hasGpu: false }),
  );
  const runs = read("deploy.yml").jobs.up?.steps?.flatMap(({ run }) => run ?? []) ?? [];
  const space = runs.findIndex((run) => run.startsWith("scripts/ci/space.sh"));
  expect(space).toBeGreaterThan(-1);
  expect(space).toBeLessThan(runs.indexOf("scripts/ci/builder.sh"));
  expect(Number(runs[space]?.split(" ")[1]) * 1e9).toBeGreaterThan(room.bytes);
});

test("a preview, which runs unreviewed code, is given no secret, no state, and a role of its own", () => {
  const preview = text("preview.yml");
  expect(jobs("preview.yml").map((job) => job.environment)).toEqual(["preview"]);
  expect(preview).not.toMatch(/secrets\.|PULUMI_BACKEND_URL|PASSPHRASE/);
  expect(preview).toContain(`IMAGEGEN_PREVIEW_STATE: ${expression("vars.IMAGEGEN_PREVIEW_STATE")}`);
  for (const file of FILES.filter((one) => one !== "preview.yml"))
    expect(jobs(file).map((job) => job.environment)).not.toContain("preview");
});

test("what reads the state is started by main alone, and a deployment ends with a copy for previews", () => {
  expect(jobs("drift.yml").map((job) => job.environment)).toEqual(["drift"]);
  expect(Object.keys(read("drift.yml").on).sort()).toEqual(["schedule", "workflow_dispatch"]);
  const { redact } = read("deploy.yml").jobs;
  expect(redact).toMatchObject({ needs: "up", environment: "drift" });
  expect(redact?.if).toBe(expression("!cancelled() && needs.up.result != 'skipped'"));
  // Of main: a commit that is rolled back to may know less of secrets.
  expect(checkouts(redact)).toEqual([undefined]);
});

test("a fork's pull request runs nothing that has a role", () => {
  expect(text("preview.yml")).toContain("head.repo.full_name == github.repository");
  for (const file of FILES) expect(text(file)).not.toContain("pull_request_target");
});

test("a release is drafted after the checks and an approval", () => {
  const { draft, check } = read("release.yml").jobs;
  expect(check?.uses).toBe("./.github/workflows/check.yml");
  expect(draft).toMatchObject({ needs: "check", environment: "release", permissions: { contents: "write" } });
  expect(Object.keys(read("release.yml").on).sort()).toEqual(["push", "workflow_dispatch"]);
});

test("drift is looked for every day", () => {
  const [{ cron }] = read("drift.yml").on.schedule as [{ cron: string }];
  expect(cron).toMatch(/^\d+ \d+ \* \* \*$/);
});
