/** What each workflow's jobs are given, run and wait for. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { DEFAULT_MODEL_ID } from "../../../infra/contract.ts";
import { readManifest } from "../../../infra/io/manifests.ts";
import { makePlan } from "../../../infra/plan/plan.ts";
import { planRoom } from "../../../infra/plan/room.ts";
import { settingsWith } from "../../support/settings.ts";
import { checkouts, expression, FILES, type Job, jobs, read, steps, text } from "../../support/workflows.ts";

test("one update of a stack runs at a time, after the checks and an approval, and is never stopped half-way", () => {
  const { up, check } = read("deploy.yml").jobs;
  expect(check?.uses).toBe("./.github/workflows/check.yml");
  expect(up).toMatchObject({ needs: ["commit", "check"], environment: "production" });
  expect(up?.concurrency?.group).toContain("vars.IMAGEGEN_STACK");
  expect(up?.concurrency?.["cancel-in-progress"]).toBe(false);
  expect(Object.keys(read("deploy.yml").on).sort()).toEqual(["push", "workflow_dispatch"]);
});

test("what is checked is the commit that is deployed, and that is one that the deployed branch was at", () => {
  const { on, jobs: all } = read("deploy.yml");
  const { commit, check, up } = all;
  const [checkout, script] = commit?.steps ?? [];
  // The whole history, of the branch that the workflow was started on: not the script of what is asked for.
  expect(checkout?.with).toEqual({ "fetch-depth": 0, "persist-credentials": false });
  const [branch] = (on.push as { branches: readonly string[] }).branches;
  expect(script?.run).toBe(`scripts/ci/commit.sh ${branch}`);
  expect(script?.env).toEqual({ IMAGEGEN_COMMIT: expression("inputs.ref || github.sha") });
  expect(commit?.outputs).toEqual({ sha: expression(`steps.${script?.id}.outputs.sha`) });
  expect(text("deploy.yml")).toContain(`\nrun-name: deploy ${expression("inputs.ref || github.sha")}\n`);
  expect(check).toMatchObject({ needs: "commit", with: { ref: expression("needs.commit.outputs.sha") } });
  expect(checkouts(up)).toEqual([expression("needs.commit.outputs.sha")]);
  expect(text("deploy.yml").match(/inputs\./g)).toHaveLength(2);
});

test("check.yml checks what a workflow asks for, and else the commit that it was started on", () => {
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
  expect(jobs("preview.yml").map((job) => job.environment)).toEqual(["preview", undefined]);
  expect(preview).not.toMatch(/secrets\.|PULUMI_BACKEND_URL|PASSPHRASE/);
  expect(preview).toContain(`IMAGEGEN_PREVIEW_STATE: ${expression("vars.IMAGEGEN_PREVIEW_STATE")}`);
  for (const file of FILES.filter((one) => one !== "preview.yml"))
    expect(jobs(file).map((job) => job.environment)).not.toContain("preview");
});

test("what writes the comment runs the base's code alone, and what runs the pull request's may write nothing", () => {
  const { preview, comment } = read("preview.yml").jobs;
  expect(preview?.permissions).toEqual({ contents: "read", "id-token": "write" });
  expect(comment?.permissions).toEqual({ contents: "read", "pull-requests": "write" });
  expect(checkouts(comment)).toEqual([expression("github.event.pull_request.base.sha")]);
  expect(comment?.steps?.flatMap(({ run }) => run ?? [])).toEqual(["scripts/ci/comment.sh preview/preview.md"]);
  const given = (job: Job | undefined, action: string) => job?.steps?.find(({ uses }) => uses?.startsWith(action));
  const report = given(preview, "actions/upload-artifact@");
  // Not in a folder with a dot, of which the action takes nothing; also where the preview failed.
  expect(report?.with).toMatchObject({ name: "preview", path: "preview.md" });
  expect(report?.if).toBe(expression("!cancelled()"));
  expect(preview?.steps?.some(({ run }) => run === "scripts/ci/preview.sh preview.md")).toBe(true);
  expect(given(comment, "actions/download-artifact@")?.with).toEqual({ name: "preview", path: "preview" });
  expect(preview?.outputs).toEqual({ report: expression(`steps.${report?.id}.outputs.artifact-id`) });
  expect(comment?.if).toBe(expression("!cancelled() && needs.preview.outputs.report != ''"));
});

test("drift is not looked for while the stack is updated, and neither stops the other", () => {
  const { up } = read("deploy.yml").jobs;
  expect(read("drift.yml").jobs.drift?.concurrency).toEqual(up?.concurrency);
  expect(read("drift.yml").concurrency).toBeUndefined();
});

test("what reads the state is started by main alone, and a deployment ends with a copy for previews", () => {
  expect(jobs("drift.yml").map((job) => job.environment)).toEqual(["drift", undefined]);
  expect(Object.keys(read("drift.yml").on).sort()).toEqual(["schedule", "workflow_dispatch"]);
  const { redact } = read("deploy.yml").jobs;
  expect(redact).toMatchObject({ needs: "up", environment: "drift" });
  expect(redact?.if).toBe(expression("!cancelled() && needs.up.result != 'skipped'"));
  // Of main: a commit that is rolled back to may know less of secrets.
  expect(checkouts(redact)).toEqual([undefined]);
});

test("a fork's pull request is planned with no right but to read the code: no role, secret, environment or variable", () => {
  const { on, jobs: all } = read("plan.yml");
  expect(on).toEqual({ pull_request: { branches: ["main"] } });
  expect(Object.values(all).map(({ permissions, environment }) => [permissions, environment])).toEqual([
    [{ contents: "read" }, undefined],
  ]);
  expect(text("plan.yml")).not.toMatch(/secrets\.|vars\.|github\.token|aws-actions/);
  expect(steps("plan.yml").at(-1)?.run).toBe("scripts/ci/plan.sh");
  // Its code is checked out, and the base's beside it.
  expect(Object.values(all).flatMap(checkouts)).toEqual([undefined, expression("github.event.pull_request.base.sha")]);
});

test("one check of a pull request, also of a fork, waits for all jobs and always reports", () => {
  const { on, permissions, jobs: all } = read("check.yml");
  expect(Object.keys(on).sort()).toEqual(["pull_request", "workflow_call", "workflow_dispatch"]);
  expect(on.pull_request).toEqual({ branches: ["main"] });
  expect(permissions).toEqual({ contents: "read" });
  expect(text("check.yml")).not.toMatch(/secrets\.|vars\.|github\.token|aws-actions|environment:/);
  const { check, ...others } = all;
  expect(check?.needs).toEqual(Object.keys(others));
  expect(check?.if).toBe(expression("always()"));
  // A rule names a check by its job's name, which is this one's id.
  expect(check).not.toHaveProperty("name");
  expect(Object.values(others).filter((job) => job.if !== undefined)).toEqual([]);
  expect(check?.steps?.at(-1)).toEqual({
    run: "scripts/ci/results.sh",
    env: { IMAGEGEN_RESULTS: expression("join(needs.*.result, ' ')") },
  });
});

test("a fork's pull request runs nothing that has a role", () => {
  expect(text("preview.yml")).toContain("head.repo.full_name == github.repository");
  for (const file of FILES) expect(text(file)).not.toContain("pull_request_target");
});

test("a release is drafted after the checks and an approval, with files that a job without a right to write made and signed", () => {
  const { commit, draft, check, package: made } = read("release.yml").jobs;
  expect(check?.uses).toBe("./.github/workflows/check.yml");
  expect(made).toMatchObject({ needs: ["commit", "check"] });
  expect(made?.permissions).toEqual({ contents: "read", "id-token": "write", attestations: "write" });
  expect(draft).toMatchObject({ needs: ["commit", "check", "package"], environment: "release" });
  expect(draft?.permissions).toEqual({ contents: "write" });
  const given = (job: Job | undefined, action: string) =>
    job?.steps?.find(({ uses }) => uses?.startsWith(action))?.with;
  expect(given(made, "actions/attest@")).toEqual({ "subject-path": "release/*" });
  expect(given(made, "actions/upload-artifact@")).toMatchObject({ name: "release", path: "release" });
  expect(given(draft, "actions/download-artifact@")).toEqual({ name: "release", path: "release" });
  expect(draft?.steps?.at(-1)?.run).toBe("scripts/ci/release.sh release");
  expect(commit?.permissions).toEqual({ contents: "read" });
});

test("what is checked, packed, signed and released is one commit: that of the tag that the workflow was started on", () => {
  const { on, jobs: all } = read("release.yml");
  // Nothing is asked for beside it: GitHub signs the commit of the run, whatever a job checks out.
  expect(on).toEqual({ push: { tags: ["v*"] }, workflow_dispatch: null });
  const { commit, check, draft, package: made } = all;
  const tagged = commit?.steps?.find(({ run }) => run === "scripts/ci/tag.sh");
  expect(commit?.outputs).toEqual({
    sha: expression(`steps.${tagged?.id}.outputs.sha`),
    tag: expression(`steps.${tagged?.id}.outputs.tag`),
  });
  const sha = expression("needs.commit.outputs.sha");
  expect(check).toMatchObject({ needs: "commit", with: { ref: sha } });
  for (const job of [made, draft]) expect(checkouts(job)).toEqual([sha]);
  const last = draft?.steps?.slice(-2) ?? [];
  expect(last.map(({ run }) => run)).toEqual(["scripts/ci/tag.sh", "scripts/ci/release.sh release"]);
  expect(last[1]?.env?.IMAGEGEN_TAG).toBe(expression("needs.commit.outputs.tag"));
});

test("what writes the issue of drift has no role, and gets the answer of the job that has one", () => {
  const { drift, issue } = read("drift.yml").jobs;
  expect(drift?.permissions).toEqual({ contents: "read", "id-token": "write" });
  expect(issue).toMatchObject({ needs: "drift", permissions: { contents: "read", issues: "write" } });
  expect(Object.keys(issue?.permissions ?? {})).toHaveLength(2);
  // A run that got no answer neither opens an issue nor closes one.
  expect(issue?.if).toBe(expression("!cancelled() && needs.drift.outputs.answer != ''"));
  expect(drift?.outputs).toEqual({
    answer: expression("steps.drift.outputs.answer"),
    report: expression("steps.drift.outputs.report"),
  });
  expect(issue?.steps?.at(-1)?.env).toMatchObject({
    IMAGEGEN_DRIFT: expression("needs.drift.outputs.answer"),
    IMAGEGEN_DRIFT_REPORT: expression("needs.drift.outputs.report"),
  });
});

test("a canary is destroyed however it ended, by main alone, weekly where the repository says so", () => {
  const { on, jobs: all } = read("canary.yml");
  expect(Object.keys(on).sort()).toEqual(["schedule", "workflow_dispatch"]);
  expect((on.schedule as [{ cron: string }])[0].cron).toMatch(/^\d+ \d+ \* \* [0-6]$/);
  const { canary } = all;
  expect(canary?.if).toBe("github.event_name == 'workflow_dispatch' || vars.IMAGEGEN_CANARY_STACK != ''");
  expect(canary?.environment).toBe("canary");
  const steps = (canary?.steps ?? []).filter(({ run }) => run?.startsWith("scripts/ci/canary.sh"));
  expect(steps.map(({ run }) => run?.split(" ")[1])).toEqual(["up", "picture", "destroy"]);
  expect(steps.map((step) => step.if)).toEqual([undefined, undefined, expression("always()")]);
  const limits = steps.map((step) => step["timeout-minutes"] ?? 0);
  // What comes before them takes minutes.
  expect(limits.reduce((sum, minutes) => sum + minutes, 0)).toBeLessThanOrEqual(
    (canary?.["timeout-minutes"] ?? 0) - 15,
  );
  // The script's own limits, with the time that Pulumi is given to end, are shorter than the steps'.
  const script = readFileSync("scripts/ci/canary.sh", "utf8");
  const own = [...script.matchAll(/limited (\d+)m (\d+)m (up|destroy)/g)].map(([, limit, grace, command]) => [
    command,
    Number(limit) + Number(grace),
  ]);
  expect(own.map(([command]) => command)).toEqual(["destroy", "up"]);
  expect(own[0]?.[1]).toBeLessThan(limits[2] ?? 0);
  expect(own[1]?.[1]).toBeLessThan(limits[0] ?? 0);
  expect(read("canary.yml").concurrency).toEqual({ group: "canary", "cancel-in-progress": false });
});

test("a mirror is filled by hand, with a role of its own, and what is asked for reaches no shell as text", () => {
  const { on, jobs: all } = read("mirror.yml");
  expect(Object.keys(on)).toEqual(["workflow_dispatch"]);
  expect(all.mirror?.environment).toBe("mirror");
  expect(all.mirror?.steps?.at(-1)?.env).toMatchObject({
    IMAGEGEN_MODEL: expression("inputs.model"),
    IMAGEGEN_REVISION: expression("inputs.revision"),
    IMAGEGEN_LORAS: expression("inputs.loras"),
  });
});

test("drift is looked for every day", () => {
  const [{ cron }] = read("drift.yml").on.schedule as [{ cron: string }];
  expect(cron).toMatch(/^\d+ \d+ \* \* \*$/);
});

test("vulnerabilities of what is locked are looked for every week, with no right but to read the code", () => {
  const { on, jobs: own } = read("audit.yml");
  expect((on.schedule as [{ cron: string }])[0].cron).toMatch(/^\d+ \d+ \* \* \d$/);
  expect(own.audit?.permissions).toEqual({ contents: "read" });
  expect(steps("audit.yml").flatMap(({ run }) => run ?? [])).toEqual(["scripts/ci/audit.sh"]);
});

test("the tiny benches run on each push, all of them every week", () => {
  const { on, jobs: all } = read("bench.yml");
  expect(Object.keys(on).sort()).toEqual(["push", "schedule", "workflow_dispatch"]);
  expect((on.schedule as [{ cron: string }])[0].cron).toMatch(/^\d+ \d+ \* \* [0-6]$/);
  const last = (job: Job | undefined) => job?.steps?.at(-1)?.run;
  expect([all.tiny?.if, last(all.tiny)]).toEqual(["github.event_name == 'push'", "scripts/ci/bench.sh tiny"]);
  expect([all.full?.if, last(all.full)]).toEqual(["github.event_name != 'push'", "scripts/ci/bench.sh full"]);
});
