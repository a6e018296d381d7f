/** The comment on a pull request: the resources that change, the cost of a month and the policies' findings, as one comment. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { costReport, readCost } from "../../../scripts/report/cost.ts";
import { previewComment } from "../../../scripts/report/preview-comment.ts";
import { awsPlanWith } from "../../support/aws-settings.ts";
import { CiScripts } from "../../support/ci-scripts.ts";
import { policyEvent, stepEvent, summaryEvent } from "../../support/engine-events.ts";

const INSTANCE = "aws:ec2/instance:Instance";
const VOLUME = "aws:ebs/volume:Volume";
const PACKS = { packs: { "image-gen|local|policy": "0.1.0" } };

const planText = (config: Readonly<Record<string, string>> = {}) => JSON.stringify(awsPlanWith(config));
const costOf = (config: Readonly<Record<string, string>> = {}) => readCost(planText(config));

describe("the cost", () => {
  test("of another type is that type's row for this one's, and the difference of the sums", () => {
    const [before, after] = [costOf(), costOf({ pinnedInstanceType: "g5.2xlarge" })];
    const [old, now] = [before?.items[0]?.usdPerMonth ?? 0, after?.items[0]?.usdPerMonth ?? 0];
    expect(now).toBeGreaterThan(old);
    const report = costReport(before, after);
    const rows = report.split("\n").slice(2, 6);
    expect(rows).toEqual([
      `| running | ${before?.runningUsdPerMonth.toFixed(2)} | ${after?.runningUsdPerMonth.toFixed(2)} | +${(now - old).toFixed(2)} |`,
      `| stopped | ${before?.stoppedUsdPerMonth.toFixed(2)} | ${after?.stoppedUsdPerMonth.toFixed(2)} | 0.00 |`,
      `| \`g6.xlarge, on-demand\` | ${old.toFixed(2)} |  | −${old.toFixed(2)} |`,
      `| \`g5.2xlarge, on-demand\` |  | ${now.toFixed(2)} | +${now.toFixed(2)} |`,
    ]);
    expect(report).toContain(`The instance's: ${after?.instancePriceSource}.`);
  });

  test("of the same plan differs in nothing", () => {
    const report = costReport(costOf(), costOf());
    expect(report.match(/^\| .*\| 0\.00 \|$/gm)).toHaveLength(2);
    expect(report).not.toContain("`g6.xlarge");
  });

  test.each([
    ["no plan of the base", costReport(undefined, costOf()), "What it cost before is not known"],
    [
      "no plan of the change",
      costReport(costOf(), undefined),
      "Not known: `imagegen plan` of this change printed no plan",
    ],
    ["a stack of this machine", costReport(null, null), "The plan has no list of costs"],
    ["a stack that moves to AWS", costReport(null, costOf()), "| running | "],
  ])("with %s is said in words", (_, report, line) => expect(report).toContain(line));

  test("is read of plans with a cost alone", () => {
    expect(readCost('{"target":"local"}')).toBe(null);
    expect(["{", "{}", undefined].map(readCost)).toEqual([undefined, undefined, undefined]);
  });

  test("without a price is said to be too low", () => {
    const cost = costOf();
    if (!cost) throw new Error("a plan on AWS has a cost");
    const unknown = {
      ...cost,
      incomplete: true,
      items: [{ what: "new.type", usdPerMonth: null, whileStopped: false }],
    };
    expect(costReport(cost, unknown)).toContain("| `new.type` |  | no price | 0.00 |");
    expect(costReport(cost, unknown)).toContain("the sums are too low");
  });
});

describe("the comment", () => {
  const files = { succeeded: true, events: "", log: "the end", before: planText(), after: planText() };
  const events = [
    stepEvent({ op: "update", type: VOLUME, name: "image-gen-data", properties: ["size"] }),
    stepEvent({ op: "replace", type: INSTANCE, name: "image-gen-instance", properties: ["instanceType"] }),
    policyEvent(VOLUME, "image-gen-data", "data-volume-guarded", "Data volumes are protected.\nFix: a `command`\n"),
    summaryEvent({ update: 1, replace: 1, same: 55 }, PACKS),
  ].join("\n");

  test("has the resources, the cost, the findings and the preview's text", () => {
    const comment = previewComment("aws-volume", { ...files, events });
    expect(comment).toMatch(
      /^### What `pulumi up` would do to aws-volume\n\nResources: 1 to update, 1 to replace, 55 unchanged\.\n/,
    );
    expect(comment).toContain(`| replace | \`image-gen-instance\` | \`${INSTANCE}\` | \`instanceType\` |`);
    expect(comment).toMatch(/#### Cost\n\n\| USD a month \| before \| after \| difference \|/);
    expect(comment).toContain(
      "| mandatory | `data-volume-guarded` | `image-gen-data` | `Data volumes are protected. Fix: a 'command'` |",
    );
    expect(comment).toContain(
      "<details><summary>The preview's text</summary>\n\n``````text\nthe end\n``````\n\n</details>",
    );
  });

  test.each([
    [summaryEvent({ same: 9 }, PACKS), "No findings."],
    [summaryEvent({ same: 9 }), "The policy pack did not run."],
    [summaryEvent({ same: 9 }, { ...PACKS, result: "failed" }), "No findings up to where the preview ended."],
  ])("after %s the findings are %j", (summary, words) => {
    expect(previewComment("s", { ...files, events: summary })).toContain(`#### Policies\n\n${words}\n`);
  });

  test("of a preview that failed shows its text, and says that there may be more", () => {
    const comment = previewComment("s", { ...files, succeeded: false, events: events.split("\n")[0] ?? "" });
    expect(comment).toMatch(/^### `pulumi preview` of s failed\n\nResources: 1 to update, .* there may be more\.\n/);
    expect(comment).toContain("<details open>");
  });

  test("is what GitHub takes, however much there is", () => {
    const steps = Array.from({ length: 2000 }, (_, index) =>
      stepEvent({ op: "update", type: INSTANCE, name: `n${index}`, properties: ["a".repeat(300), ..."bcdefgh"] }),
    );
    const findings = Array.from({ length: 200 }, () =>
      policyEvent(INSTANCE, "n", "no-open-ingress", "x|".repeat(1500)),
    );
    const comment = previewComment("s", {
      ...files,
      events: [...steps, ...findings].join("\n"),
      log: "`".repeat(70_000),
    });
    expect(comment.length).toBeLessThan(65_536);
    expect(comment).toMatch(/^\d+ more: the job's log has all\.$/m);
  });
});

describe("preview.sh", () => {
  let scripts: CiScripts;
  let file: string;
  beforeEach(() => {
    scripts = new CiScripts();
    file = join(scripts.folder, "report.md");
    scripts.command("aws", 'echo "{}" >"$5"');
    // What opens the copy needs a real one.
    const report = `case "$1" in scripts/report/*) exec "${process.execPath}" "$@" ;; esac`;
    scripts.command(
      "node",
      `${report}\necho "$PULUMI_BACKEND_URL $PULUMI_CONFIG_PASSPHRASE" >"${scripts.folder}/backend"`,
    );
    plan(planText());
    pulumi([summaryEvent({ same: 3 }, PACKS)], "exit 0");
  });
  afterEach(() => scripts.remove());

  const plan = (text: string) => {
    writeFileSync(join(scripts.folder, "plan"), text);
    scripts.command("npm", `echo "$PWD" >>"${scripts.folder}/checkouts"; cat "${scripts.folder}/plan"`);
  };
  const pulumi = (events: readonly string[], body: string) => {
    writeFileSync(join(scripts.folder, "events"), events.join("\n"));
    scripts.pulumi(`cp "${scripts.folder}/events" "\${!#}"; ${body}`);
  };
  const run = (environment: Readonly<Record<string, string>> = {}) =>
    scripts.run("preview.sh", [file], { IMAGEGEN_PREVIEW_STATE: "s3://bucket/previews", ...environment });

  test("the comment ends with the end of a long text, and the exit code is the preview's", async () => {
    pulumi([], `printf 'x%.0s' $(seq 70000); echo; echo '\`\`\`\`'; echo the end; exit 4`);
    expect((await run()).exitCode).toBe(4);
    const report = readFileSync(file, "utf8");
    expect(report.length).toBeLessThan(65_536);
    expect(report).toMatch(/^### `pulumi preview` of aws-volume failed\n/);
    expect(report).toContain("````\nthe end\n``````\n");
  });

  test("it reads the copy of the state, with a backend and a passphrase of its own", async () => {
    const secrets = { PULUMI_BACKEND_URL: "s3://state", PULUMI_CONFIG_PASSPHRASE: "of the state" };
    expect((await run(secrets)).exitCode).toBe(0);
    expect(readFileSync(join(scripts.folder, "backend"), "utf8")).toMatch(/^file:\/\/\S+\/backend preview\n$/);
    const [copy, , open, preview] = scripts.calls();
    expect(copy).toMatch(/^aws s3 cp --only-show-errors s3:\/\/bucket\/previews\/aws-volume.json \S+\/state.json$/);
    expect(open).toMatch(/^node scripts\/preview\/open.ts aws-volume \S+\/state.json \S+$/);
    expect(preview).toMatch(
      /^pulumi preview --stack aws-volume .*--config-file \S+\/Pulumi.aws-volume.yaml --policy-pack policy --diff --event-log \S+$/,
    );
  });

  test("plans are made of the pull request and of the base, without a question to anybody", async () => {
    expect((await run({ IMAGEGEN_BASE: scripts.folder })).exitCode).toBe(0);
    const plans = scripts.calls().filter((call) => call.startsWith("npm"));
    expect(plans).toEqual(Array(2).fill("npm run --silent imagegen -- plan --stack aws-volume --offline --json"));
    expect(readFileSync(join(scripts.folder, "checkouts"), "utf8").trim().split("\n")).toEqual([
      process.cwd(),
      scripts.folder,
    ]);
    expect(readFileSync(file, "utf8")).toMatch(/\| running \| ([\d.]+) \| \1 \| 0\.00 \|/);
  });

  test("a plan that fails leaves the cost out, and the preview as it is", async () => {
    scripts.command("npm", "exit 1");
    expect((await run()).exitCode).toBe(0);
    expect(readFileSync(file, "utf8")).toContain("Not known: `imagegen plan` of this change printed no plan");
  });
});
