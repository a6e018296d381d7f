/**
 * Runs the test rings, cheapest first, and ends with one line: `N passed, N failed, N skipped`.
 * In: ring names (none: all). Out: exit code 0 only when nothing failed. Never hides a ring that could not run:
 * each ring that is left out is named with its reason and counted as skipped.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { missingFor } from "./support/needs.ts";
import { paths } from "./support/paths.ts";
import { pythonEnvironment } from "./support/python.ts";

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

const RINGS = [
  "check",
  "python",
  "unit",
  "component",
  "policy",
  "operations",
  "start",
  "host",
  "registry",
  "engine",
  "e2e",
] as const;
type Ring = (typeof RINGS)[number];

const reports = join(paths.state, "reports");

async function runVitest(ring: Ring): Promise<Tally> {
  const report = join(reports, `${ring}.json`);
  rmSync(report, { force: true });
  const args = ["run", "--project", ring, "--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const result = await execa(join(paths.root, "node_modules/.bin/vitest"), args, {
    cwd: paths.root,
    stdio: "inherit",
    reject: false,
  });
  if (!existsSync(report)) return { passed: 0, failed: 1, skipped: 0 };
  const json = JSON.parse(readFileSync(report, "utf8")) as {
    numPassedTests: number;
    numFailedTests: number;
    numPendingTests: number;
    numTotalTests: number;
  };
  const failed = json.numFailedTests + (result.exitCode !== 0 && json.numFailedTests === 0 ? 1 : 0);
  return {
    passed: json.numPassedTests,
    failed,
    skipped: json.numTotalTests - json.numPassedTests - json.numFailedTests,
  };
}

async function runPytest(): Promise<Tally> {
  const report = join(reports, "python.xml");
  rmSync(report, { force: true });
  const python = await pythonEnvironment();
  await execa(python, ["-m", "pytest", `--junitxml=${report}`], {
    cwd: join(paths.root, "image-gen"),
    stdio: "inherit",
    reject: false,
  });
  const suite = existsSync(report) ? readFileSync(report, "utf8").match(/<testsuite [^>]*>/)?.[0] : undefined;
  const count = (name: string) => Number(suite?.match(new RegExp(` ${name}="(\\d+)"`))?.[1] ?? 0);
  if (!suite || count("tests") === 0) return { passed: 0, failed: 1, skipped: 0 };
  const failed = count("failures") + count("errors");
  return { passed: count("tests") - failed - count("skipped"), failed, skipped: count("skipped") };
}

async function runCheck(): Promise<Tally> {
  const result = await execa(process.execPath, [join(paths.root, "test/check.ts")], {
    cwd: paths.root,
    stdio: "inherit",
    reject: false,
  });
  return result.exitCode === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
}

async function runRing(ring: Ring): Promise<Tally> {
  if (ring === "check") return runCheck();
  if (ring === "python") return runPytest();
  return runVitest(ring);
}

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !RINGS.includes(name as Ring));
if (unknown.length > 0) {
  console.error(`test: no ring named ${unknown.join(", ")}. Rings: ${RINGS.join(", ")}.`);
  process.exit(2);
}

mkdirSync(reports, { recursive: true });
const total: Tally = { passed: 0, failed: 0, skipped: 0 };
const lines: string[] = [];
for (const ring of RINGS.filter((name) => asked.length === 0 || asked.includes(name))) {
  const started = Date.now();
  const missing = await missingFor(ring);
  console.log(`\n=== ${ring} ${missing ? `LEFT OUT: ${missing}` : ""}`);
  const tally = missing ? { passed: 0, failed: 0, skipped: 1 } : await runRing(ring);
  const seconds = Math.round((Date.now() - started) / 1000);
  lines.push(
    missing
      ? `${ring.padEnd(10)} left out: ${missing}`
      : `${ring.padEnd(10)} ${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped (${seconds} s)`,
  );
  for (const key of ["passed", "failed", "skipped"] as const) total[key] += tally[key];
}
console.log(`\n${lines.join("\n")}\n`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 ? 1 : 0;
