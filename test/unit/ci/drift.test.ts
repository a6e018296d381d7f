/** What a night's run finds, and the issue that it keeps. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { differences } from "../../../scripts/report/differences.ts";
import { CiScripts } from "../../support/ci-scripts.ts";
import { stepEvent, summaryEvent } from "../../support/engine-events.ts";

let scripts: CiScripts;
beforeEach(() => {
  scripts = new CiScripts();
});
afterEach(() => scripts.remove());

const LOGS = "aws:cloudwatch/logGroup:LogGroup";
const INSTANCE = "aws:ec2/instance:Instance";
const SECRET = "sesame-of-this-test";

/** A Pulumi that writes `events` for `question`, prints an answer and ends with `code`; other questions find nothing. */
function pulumi(question: string, events: readonly string[], code = 1): void {
  const file = join(scripts.folder, "answer");
  writeFileSync(file, `${events.join("\n")}\n`);
  scripts.pulumi(`echo "answer to $1"; [ "$1" = ${question} ] || exit 0; cp "${file}" "\${!#}"; exit ${code}`);
}

async function drift() {
  const [output, summary] = ["output", "summary"].map((name) => join(scripts.folder, name)) as [string, string];
  for (const file of [output, summary]) writeFileSync(file, "");
  const job = { GITHUB_OUTPUT: output, GITHUB_STEP_SUMMARY: summary, GITHUB_ACTIONS: "true" };
  const { exitCode, all } = await scripts.run("drift.sh", [], job);
  return { exitCode, all, outputs: outputsOf(readFileSync(output, "utf8")), summary: readFileSync(summary, "utf8") };
}

/** As GitHub reads the file. */
const outputsOf = (text: string) =>
  Object.fromEntries([...text.matchAll(/^(\w+)<<(\S+)\n([\s\S]*?)\n\2$/gm)].map(([, name, , value]) => [name, value]));

const ONE_CHANGED = [
  stepEvent({ op: "refresh", type: LOGS, name: "image-gen-logs" }),
  stepEvent({ op: "update", type: LOGS, name: "image-gen-logs", properties: ["retentionInDays"] }, "resOutputsEvent"),
  summaryEvent({ update: 1, same: 66 }),
];

describe("drift.sh", () => {
  test.each([
    ["refresh", "what is there is not what was deployed"],
    ["preview", "what was deployed is not what the code says"],
  ])("drift that %s finds fails the job, and the summary says it", async (question, line) => {
    pulumi(question, ONE_CHANGED);
    const { exitCode, all, outputs, summary } = await drift();
    expect(exitCode).toBe(1);
    expect(all).toContain(`::error::aws-volume: ${line}.`);
    expect(summary).toContain(`answer to ${question}`);
    expect(outputs.answer).toBe("drift");
    expect(outputs.report).toContain("`image-gen-logs`");
    const asked = scripts.calls().slice(1);
    expect(asked.map((call) => call.replace(/ --event-log \S+$/, ""))).toEqual([
      "pulumi refresh --stack aws-volume --non-interactive --color never --preview-only --expect-no-changes --diff",
      "pulumi preview --stack aws-volume --non-interactive --color never --expect-no-changes --diff",
    ]);
  });

  test("no drift is an answer without a report", async () => {
    pulumi("refresh", [summaryEvent({ same: 67 })], 0);
    const { exitCode, all, outputs } = await drift();
    expect([exitCode, outputs]).toEqual([0, { answer: "none" }]);
    expect(all).toContain("aws-volume: no drift");
  });

  test.each([
    ["failed", [...ONE_CHANGED.slice(0, 2), summaryEvent({ update: 1 }, { result: "failed" })]],
    ["was killed", [...ONE_CHANGED.slice(0, 2), '{"summaryEv']],
    ["wrote no events", []],
  ])("a question that %s is no drift, and gives no answer", async (_, events) => {
    pulumi("refresh", events);
    const { exitCode, all, outputs, summary } = await drift();
    expect([exitCode, outputs]).toEqual([2, {}]);
    expect(all).toContain("::error::aws-volume: pulumi refresh ended before it was known whether what is there is not");
    expect(summary).toContain("answer to refresh");
  });
});

describe("the report", () => {
  test("names resources and properties, a replacement once, and no value", () => {
    const values = [{ userData: SECRET }, { userData: `${SECRET} 2` }] as const;
    const replaced = ["create-replacement", "replace", "delete-replaced"].map((op) =>
      stepEvent({ op, type: INSTANCE, name: "host", properties: ["userData", 'tags["a`b|c"]'], values }),
    );
    const events = [
      ...replaced,
      stepEvent({ op: "create", type: LOGS, name: "logs", properties: ["name"] }),
      stepEvent({ op: "update", type: "pulumi:pulumi:Stack", name: "outputs", properties: ["url"] }),
      stepEvent({ op: "same", type: LOGS, name: "other" }),
      summaryEvent({ replace: 1, create: 1, same: 1 }),
    ];
    const report = differences("preview", events.join("\n"));
    expect(report).toBe(`### What was deployed is not what the code says (2)

|  | resource | type | properties |
|---|---|---|---|
| to replace | \`host\` | \`${INSTANCE}\` | \`userData\`, \`tags["a'b\\|c"]\` |
| to create | \`logs\` | \`${LOGS}\` |  |
`);
  });

  test("of many it has the first, and counts the others", () => {
    const events = Array.from({ length: 500 }, (_, index) =>
      stepEvent({ op: "delete", type: LOGS, name: `logs-${index}` }),
    );
    const report = differences("refresh", [...events, summaryEvent({ delete: 500 })].join("\n")) ?? "";
    expect(report).toContain("(500)");
    const shown = report.match(/^\| gone /gm)?.length ?? 0;
    expect(shown).toBeGreaterThan(100);
    expect(report).toContain(`\n${500 - shown} more: the job's log has all.`);
    // Two of them are one issue.
    expect(2 * report.length).toBeLessThan(65_536 - 1000);
  });
});

describe("issue.sh", () => {
  const JOB = { GITHUB_REPOSITORY: "org/repo", GITHUB_RUN_ID: "7", GITHUB_SHA: "c0ffee", GITHUB_SERVER_URL: "" };
  const BOT = "github-actions[bot]";

  /** A `gh` that knows these open issues: number, author and title. It keeps the body that it is given. */
  function gh(...issues: readonly (readonly [number, string, string])[]): void {
    const lines = issues.map((issue) => issue.join("\\t")).join("\\n");
    const body = join(scripts.folder, "body");
    scripts.command(
      "gh",
      `case "$*" in *--paginate*) printf '${lines}\\n' ;; esac
for word; do case "$word" in body=@*) cp "\${word#body=@}" "${body}" ;; esac; done`,
    );
  }
  const issue = (environment: Readonly<Record<string, string>>) =>
    scripts.run("issue.sh", [], { ...JOB, ...environment });
  const found = { IMAGEGEN_DRIFT: "drift", IMAGEGEN_DRIFT_REPORT: "### One $(id) `changed`" };
  /** Without the question for open issues, and names of temporary files. */
  const changes = () =>
    scripts
      .calls()
      .filter((call) => !call.includes("--paginate"))
      .map((call) => call.replace(/body=@\S+/, "body=@FILE"));

  test("the first drift opens an issue with the stack's name and the report", async () => {
    gh([3, BOT, "Drift of aws-baked"], [4, BOT, "Drift of aws-volume again"]);
    const { exitCode, all } = await issue(found);
    expect([exitCode, all]).toEqual([0, "An issue was opened: Drift of aws-volume."]);
    expect(changes()).toEqual([
      "gh api --silent --method POST repos/org/repo/issues --raw-field title=Drift of aws-volume --field body=@FILE",
    ]);
    const body = readFileSync(join(scripts.folder, "body"), "utf8");
    expect(body).toContain(
      "[this run](https://github.com/org/repo/actions/runs/7), at c0ffee.\n\n### One $(id) `changed`\n",
    );
    expect(body).toContain("`pulumi up --refresh --stack aws-volume`");
  });

  test("later drift is written to the same issue, which a stranger's of that title is not", async () => {
    gh([2, "stranger", "Drift of aws-volume"], [12, BOT, "Drift of aws-volume"], [5, BOT, "Drift of aws-volume"]);
    expect((await issue(found)).exitCode).toBe(0);
    expect(changes()).toEqual(["gh api --silent --method PATCH repos/org/repo/issues/5 --field body=@FILE"]);
  });

  test("a run without drift closes it, with a comment, and does nothing where none is open", async () => {
    gh([5, BOT, "Drift of aws-volume"]);
    expect((await issue({ IMAGEGEN_DRIFT: "none" })).all).toBe("Issue 5 was closed.");
    expect(changes()).toEqual([
      "gh api --silent --method POST repos/org/repo/issues/5/comments --raw-field body=[This run](https://github.com/org/repo/actions/runs/7) found no differences.",
      "gh api --silent --method PATCH repos/org/repo/issues/5 --raw-field state=closed --raw-field state_reason=completed",
    ]);
    scripts.forget();
    gh([2, "stranger", "Drift of aws-volume"]);
    expect((await issue({ IMAGEGEN_DRIFT: "none" })).exitCode).toBe(0);
    expect(changes()).toEqual([]);
  });

  test("a report that GitHub dropped is replaced by a line", async () => {
    gh();
    expect((await issue({ ...found, IMAGEGEN_DRIFT_REPORT: "" })).exitCode).toBe(0);
    expect(readFileSync(join(scripts.folder, "body"), "utf8")).toContain("What differs is in the summary of the run.");
  });

  test.each([
    ["", "IMAGEGEN_DRIFT: expected a value, got nothing."],
    ["maybe", "IMAGEGEN_DRIFT: expected drift or none, got maybe."],
  ])("the answer %j changes no issue", async (answer, line) => {
    gh([5, BOT, "Drift of aws-volume"]);
    const ended = await issue({ ...found, IMAGEGEN_DRIFT: answer });
    expect(ended.exitCode).toBe(1);
    expect(ended.all).toContain(line);
    expect(changes()).toEqual([]);
  });
});
