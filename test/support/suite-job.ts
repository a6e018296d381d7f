import { existsSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { execa } from "execa";
import { type Part, projectOf, projectsOf, pythonFilesOf, type SuiteName, suiteOf } from "../suites.ts";
import { missingFor } from "./needs.ts";
import { paths } from "./paths.ts";
import { checksEnvironment, pythonEnvironment } from "./python.ts";

/** A suite to run, or one part of it. */
export interface Job {
  readonly name: SuiteName;
  readonly parts: readonly Part[];
  /** Arguments for vitest or pytest. */
  readonly forwarded: readonly string[];
}

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface Ended extends Counts {
  /** Why the suite could not run here. */
  readonly missing?: string;
  /** The names of the tests that failed, as far as the runner reports them. */
  readonly failures: readonly string[];
  /** All that it printed, unless that was shown at once. */
  readonly output: string;
}

export interface Tally extends Ended {
  readonly seconds: number;
}

export const reports = join(paths.state, "reports");
const FAILED: Omit<Ended, "output"> = { passed: 0, failed: 1, skipped: 0, failures: [] };
/** Whose tests start Python programs of this checkout. */
const WITH_PYTHON: readonly SuiteName[] = ["python", "operations", "clients", "page", "registry", "e2e", "engine-aws"];

/** Runs the job to its end. `live`: what it prints is shown as it comes. */
export async function run(job: Job, live: boolean): Promise<Tally> {
  const started = Date.now();
  const ended = await attempt(job, live).catch((error: unknown) => ({ ...FAILED, output: String(error) }));
  return { ...ended, seconds: Math.round((Date.now() - started) / 1000) };
}

async function attempt(job: Job, live: boolean): Promise<Ended> {
  const missing = await missingFor(job.name);
  if (missing) return { passed: 0, failed: 0, skipped: 1, missing, failures: [], output: "" };
  // Here and once, for all suites that run side by side.
  const { name, parts } = job;
  if (name === "check") await checksEnvironment();
  if (WITH_PYTHON.includes(name) || (name === "engine" && parts.includes("slow"))) await pythonEnvironment();
  return RUNNERS[suiteOf(name).runner](job, live);
}

const RUNNERS = {
  async check(_: Job, live: boolean): Promise<Ended> {
    const { exitCode, output } = await start(
      process.execPath,
      [join(paths.root, "test/check.ts")],
      paths.root,
      live,
      "check.log",
    );
    return { ...(exitCode === 0 ? { ...FAILED, passed: 1, failed: 0 } : FAILED), output };
  },

  async vitest({ name, parts, forwarded }: Job, live: boolean): Promise<Ended> {
    const project = projectOf(name, parts[0] ?? "quick");
    const report = fresh(`${project}.json`);
    const projects = parts.flatMap((part) => projectsOf(name, part)).flatMap((each) => ["--project", each.name]);
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    const args = ["run", ...projects, ...reporters, ...forwarded];
    const vitest = join(paths.root, "node_modules/.bin/vitest");
    const { exitCode, output } = await start(vitest, args, paths.root, live, `${project}.log`);
    if (!existsSync(report)) return { ...FAILED, output };
    const json = JSON.parse(readFileSync(report, "utf8")) as VitestReport;
    const { numPassedTests: passed, numFailedTests: broken, numTotalTests: total } = json;
    return {
      passed,
      failed: broken + (exitCode !== 0 && broken === 0 ? 1 : 0),
      skipped: total - passed - broken,
      failures: failuresOf(json),
      output,
    };
  },

  async pytest({ name, parts, forwarded }: Job, live: boolean): Promise<Ended> {
    const project = projectOf(name, parts[0] ?? "quick");
    const report = fresh(`${project}.xml`);
    // Much of it waits, so there are more processes than cores: most of the slow ones, two of which wait for minutes. A file
    // stays in one process: its fixtures are made once.
    const processes = Math.min(8, (parts.includes("quick") ? 2 : 3) * availableParallelism());
    const spread = ["-n", String(processes), "--dist", "loadfile", "--no-loadscope-reorder"];
    const files = forwarded.map((argument) => argument.replace(/^(?:\.\/)?image-gen\//, ""));
    const all = () => [...spread, ...parts.flatMap(pythonFilesOf)];
    const args = ["-m", "pytest", `--junitxml=${report}`, ...(files.length > 0 ? files : all())];
    const { exitCode, output } = await start(await pythonEnvironment(), args, paths.imageGen, live, `${project}.log`);
    const xml = existsSync(report) ? readFileSync(report, "utf8") : "";
    const suite = xml.match(/<testsuite [^>]*>/)?.[0];
    const count = (name: string) => Number(suite?.match(new RegExp(` ${name}="(\\d+)"`))?.[1] ?? 0);
    if (count("tests") === 0) return { ...FAILED, output };
    const broken = count("failures") + count("errors");
    return {
      passed: count("tests") - broken - count("skipped"),
      failed: broken + (exitCode !== 0 && broken === 0 ? 1 : 0),
      skipped: count("skipped"),
      failures: [
        ...xml.matchAll(/<testcase classname="([^"]*)" name="([^"]*)"[^>]*><(?:failure|error) message="([^"]*)"/g),
      ].map(([, file, test, message = ""]) => `${file} ${test}${reason(unescaped(message))}`),
      output,
    };
  },
};

interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numTotalTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

/** Its failed tests, and the files that failed as a whole. */
function failuresOf({ testResults }: VitestReport): string[] {
  return testResults.flatMap(({ name, status, assertionResults }) => {
    const file = relative(paths.root, name);
    const failed = assertionResults
      .filter((test) => test.status === "failed")
      .map(({ fullName, failureMessages = [] }) => `${file} ${fullName}${reason(failureMessages[0] ?? "")}`);
    return failed.length === 0 && status === "failed" ? [file] : failed;
  });
}

const ENDS = 3;
const LONGEST = 200;

/** The beginning and the end of a failure's message, and what it calls an error, without its stack, in the line that names the test. */
function reason(message: string): string {
  const lines = stripVTControlCharacters(message)
    .split("\n")
    .filter((line) => line.trim() !== "" && !/^\s+at /.test(line))
    .map((line) => line.trim().slice(0, LONGEST));
  if (lines.length === 0) return "";
  if (lines.length <= 2 * ENDS) return `: ${lines.join(" | ")}`;
  const errors = lines.slice(ENDS, -ENDS).filter((line) => /\berror\b/i.test(line));
  return `: ${[...lines.slice(0, ENDS), "…", ...errors.slice(0, 2 * ENDS), "…", ...lines.slice(-ENDS)].join(" | ")}`;
}

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', amp: "&", apos: "'", "#10": "\n" };

/** The text of an XML attribute. */
const unescaped = (text: string) => text.replace(/&([a-z]+|#10);/g, (whole, name: string) => ENTITIES[name] ?? whole);

/** The path of a report that is not there yet. */
function fresh(name: string): string {
  const path = join(reports, name);
  rmSync(path, { force: true });
  return path;
}

/** Unset: a shell that has it makes each of a thousand Python programs compile what it imports, a third of their time. */
const BYTE_CODE = { PYTHONDONTWRITEBYTECODE: undefined };

/** Runs it; what it prints is shown at once, or kept, and then also in `log` as it comes. */
async function start(command: string, args: string[], cwd: string, live: boolean, log: string) {
  if (live) {
    const { exitCode } = await execa(command, args, { cwd, env: BYTE_CODE, stdio: "inherit", reject: false });
    return { exitCode, output: "" };
  }
  const file = fresh(log);
  const env = { ...BYTE_CODE, ...(process.stdout.isTTY ? { FORCE_COLOR: "1" } : {}) };
  const { exitCode, all, shortMessage } = await execa(command, args, {
    cwd,
    env,
    stdin: "ignore",
    stdout: ["pipe", { file, append: true }],
    stderr: ["pipe", { file, append: true }],
    reject: false,
    all: true,
    maxBuffer: 2 ** 28,
  });
  return { exitCode, output: exitCode === undefined ? `${all}\n${shortMessage}` : all };
}
