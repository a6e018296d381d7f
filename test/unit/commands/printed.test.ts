import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { parseSettings } from "../../../infra/config/parse.ts";
import { imagegenFix, pulumiFix } from "../../../infra/config/problem.ts";
import { ALL_KEYS, RENAMED_KEYS, targetOfKey } from "../../../infra/config/schema.ts";
import { sources } from "../../../scripts/reference/pages.ts";
import {
  COMPOSE,
  checkStart,
  missingTools,
  type Start,
  startsOf,
  type Wrong,
  wrongPlace,
} from "../../support/commands/check.ts";
import { printedCommands } from "../../support/commands/harvest.ts";
import { PYTHON_TOOLS } from "../../support/commands/parsers/python.ts";
import type { Printed } from "../../support/commands/printed.ts";
import { fillSamples } from "../../support/commands/samples.ts";
import { commandsInText } from "../../support/commands/sentence.ts";
import { opaqueBuilders } from "../../support/commands/sources/typescript.ts";
import { paths } from "../../support/paths.ts";

/** Commands that are printed because they do not work, each with the reason. */
const WRONG_ON_PURPOSE: Readonly<Record<string, string>> = {
  "imagegen move-az <zone> --snapshot <id>": "the changelog names what was removed",
  "imagegen move-az --snapshot": "the changelog names what was removed",
};

const missing = missingTools();
if (missing.includes(COMPOSE)) console.warn(`LEFT OUT: the commands of ${COMPOSE}: this Docker has no such plugin.`);
const starts = printedCommands()
  .filter(({ command }) => !(command in WRONG_ON_PURPOSE))
  .flatMap(startsOf);
const programOf = ({ words }: Start) => (words[0]?.includes("/") ? "the checkout's own scripts" : (words[0] ?? ""));
const programs = [...new Set(starts.map(programOf))].filter((name) => !PYTHON_TOOLS.includes(name)).sort();

test.for(programs)("every printed command of %s is one that its parser takes", (program, { skip }) => {
  if (missing.includes(program)) skip(`${program} is not on PATH, so that its commands were not parsed.`);
  const wrong = starts.flatMap((start): Wrong[] => {
    const problem = programOf(start) === program ? checkStart(start, missing) : null;
    return problem === null ? [] : [{ where: start.printed.where, command: start.printed.command, problem }];
  });
  expect(wrong).toEqual([]);
});

test("the commands of every tool are found, in pages, messages, scripts and workflows", () => {
  const places = (pattern: RegExp) => starts.filter(({ printed }) => pattern.test(printed.where)).length;
  expect(starts.filter(({ words }) => words[0] === "imagegen").length).toBeGreaterThan(200);
  for (const pattern of [
    /^docs\//,
    /^README/,
    /^cli\//,
    /^infra\/.*\.ts/,
    /^infra\/aws\/host\/files/,
    /^image-gen\/src/,
    /^compose/,
    /^Pulumi/,
    /^\.github/,
    /^policy/,
  ])
    expect(places(pattern), String(pattern)).toBeGreaterThan(0);
});

test("image-gen is named only where its reader is in the container", () => {
  const wrong = starts.filter((start) => wrongPlace(start) !== null);
  expect(wrong.map(({ printed }) => `${printed.where}: ${printed.command}`)).toEqual([]);
});

test("a message of the command or the program makes its commands for the stack at hand", () => {
  const modules = sources(paths.root);
  expect(Object.entries(modules).flatMap(([file, text]) => opaqueBuilders(file, text))).toEqual([]);
  const literal = printedCommands().filter(
    ({ where, command, example }) =>
      /^(cli|infra)\/.*\.ts:/.test(where) &&
      /^imagegen /.test(command) &&
      !example &&
      !/--stack <stack>|--help$/.test(command),
  );
  expect(literal.map(({ where }) => where.replace(/:\d+$/, ""))).toEqual(["infra/command-line.ts"]); // The builder itself.
});

/** Config that is wrong in each way that a rule between keys knows, and each key with a value that it refuses. */
const WRONG_CONFIG: readonly Readonly<Record<string, string>>[] = [
  ...Object.keys(ALL_KEYS).map((key) => ({ target: targetOfKey(key), [key]: "\u0001" })),
  ...Object.entries(RENAMED_KEYS).map(([key, now]) => ({
    target: targetOfKey(now),
    [key]: ALL_KEYS[now]?.example ?? "",
  })),
  { bindAddress: "0.0.0.0" },
  { target: "ci" },
  { target: "ci", repository: "org/group/name" },
  { target: "ci", repository: "org/name", oidcProviderArn: "arn:aws:iam::123456789012:oidc-provider/gitlab.com" },
  { target: "aws", access: "alb" },
  { target: "aws", authentication: "oidc" },
  { target: "aws", network: "endpoints-only" },
  { target: "aws", selfHealing: "true", idleStopMinutes: "30" },
  { target: "fleet", gatewayCount: "1" },
  { target: "fleet", deletionProtection: "true" },
];

test.skipIf(missing.includes("pulumi"))(
  "the fix of each wrong value of config is a command, for users of pulumi and of imagegen",
  () => {
    const problems = WRONG_CONFIG.flatMap((raw) => {
      const parsed = parseSettings(raw, { region: "us-east-1" });
      return "problems" in parsed ? parsed.problems : [];
    });
    expect(problems.length).toBeGreaterThan(50);
    const fixes = problems.flatMap(({ fix }) => [
      pulumiFix(fix),
      ...(["kept", "file"] as const).map((origin) => imagegenFix(fix, { stack: "aws-volume", originOf: () => origin })),
    ]);
    const wrong = fixes.flatMap((text) => {
      const commands = commandsInText(text);
      const found = commands.flatMap((command) => startsOf({ where: text, command, reader: "shell" }));
      return found.flatMap((start) => checkStart(start, missing) ?? []).map((problem) => `${text}: ${problem}`);
    });
    expect(wrong).toEqual([]);
  },
);

test("every line of a console on a page is one that bash can parse", () => {
  const lines = printedCommands().filter(({ where, mention }) => where.includes(".md:") && !mention);
  expect(lines.length).toBeGreaterThan(50);
  const script = lines.map(({ command }) => fillSamples(command)).join("\n");
  const { stderr, status } = spawnSync("bash", ["-n"], { input: script, encoding: "utf8" });
  const place = lines[Number(/line (\d+)/.exec(stderr)?.[1] ?? 1) - 1]?.where;
  expect([status, stderr], place).toEqual([0, ""]);
});

test("each exception is still printed", () => {
  const printed = printedCommands().map(({ command }) => command);
  for (const command of Object.keys(WRONG_ON_PURPOSE)) expect(printed).toContain(command);
});

describe("a wrong command is found", () => {
  const problemOf = (command: string, rest: Partial<Printed> = {}) =>
    startsOf({ where: "x", command, reader: "shell", ...rest })
      .map((start) => checkStart(start, missing) ?? wrongPlace(start))
      .find((each) => each !== null) ?? null;

  test.each([
    ["imagegen restore-volume snap-1", /unknown command 'restore-volume'/],
    ["imagegen cache verify --bad", /unknown option '--bad'/],
    ["imagegen up --mode cloud", /Allowed choices are auto, docker, process/],
    ["imagegen up --config bufferSize=3", /bufferSize: expected/],
    ["imagegen up --config port=80a", /port: expected a whole number/],
    // A timer of 30 days ends at once.
    ["imagegen picture x --timeout 2592000", /--timeout: expected a whole number from 1 to 2000000/],
    ["imagegen up --stack aws-volum", /there is no stack aws-volum/],
    ["imagegen move-az --stack aws-volume", /missing required argument 'zone'/],
    ["imagegen cache gc", /either --older-than/],
    ["npm run imagegen -- cache prefetch --modle x", /unknown option '--modle'/],
    ["npm start --port 9000", /--port is for npm/],
    ["npm run docs:write", /no script docs:write/],
    ["npx image-gen status", /no program of this checkout/],
    ["npm run test:unit -- test/unit/none.test.ts", /does not exist/],
    ["curl -s localhost:8000/v1/image/generations", /has no GET \/v1\/image\/generations/],
    [`curl -s localhost:8000/v1/images/generations -d '{"promt": "x"}'`, /no field promt/],
    ["image-gen verify --repair", /image-gen is in the container/],
    ["scripts/ci/deploy.sh", /there is no scripts\/ci\/deploy.sh/],
    ["kubectl get pods", /kubectl is not in/],
    ["sudo chown -R 10001 /data", /no form of chown/],
    ["ssh other 'imagegen cache restroe -'", /unknown command 'restroe'/],
  ])("%s", (command, problem) => {
    expect(problemOf(command)).toMatch(problem);
  });

  test.skipIf(missing.includes("pulumi")).each([
    ["pulumi destroy --target '**image-gen-group'", /--target-dependents is missing/],
    ["pulumi up --targets x", /has no flag --targets/],
    ["pulumi stack outputs url", /has no command outputs/],
    ["pulumi stack output repository", /no stack has the output repository/],
    ["pulumi stack output repositoryUrl --stack local", /the stack local has no output repositoryUrl/],
    ["pulumi config set hfToken <token>", /--secret is missing/],
    ["pulumi config set cacheOnDestroy retain", /there is no key cacheOnDestroy/],
  ])("%s", (command, problem) => {
    expect(problemOf(command) ?? "").toMatch(problem);
  });

  test.skipIf(missing.includes(COMPOSE)).each([
    ["docker compose up -d imagegen", /no service imagegen/],
    ["docker compose restart --now", /has no flag --now/],
  ])("%s", (command, problem) => {
    expect(problemOf(command)).toMatch(problem);
  });

  test.skipIf(missing.includes("docker")).each([
    ["docker volume list-all", /has no command list-all/],
    ["docker exec image-gen-image-gen image-gen status", /the container is image-game-image-gen/],
    ["docker rm", /got 0 arguments/],
  ])("%s", (command, problem) => {
    expect(problemOf(command)).toMatch(problem);
  });
});
