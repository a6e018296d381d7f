import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { NAMES, PARTS, partsOf } from "../../suites.ts";
import { FILES, jobs, read, type Step, steps, text, WORKFLOWS } from "../../support/workflows.ts";

const PREPARE = ".github/actions/prepare/action.yml";
/** What the tokens of a workflow's jobs may change; every other workflow's only read. */
const WRITES: Readonly<Record<string, readonly string[]>> = {
  "canary.yml": ["id-token"],
  "deploy.yml": ["id-token"],
  "drift.yml": ["id-token", "issues"],
  "mirror.yml": ["id-token"],
  "preview.yml": ["id-token", "pull-requests"],
  "release.yml": ["attestations", "contents", "id-token"],
};

test("these are all workflows", () => {
  expect(readdirSync(WORKFLOWS).sort()).toEqual(FILES);
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
    const written = all.filter(([, access]) => access !== "read");
    expect(written.filter(([, access]) => access !== "write")).toEqual([]);
    expect([...new Set(written.map(([scope]) => scope))].sort()).toEqual(WRITES[file] ?? []);
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
