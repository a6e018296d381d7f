/**
 * Runs test suites, as many side by side as the machine has cores, and ends with one line: `N passed, N failed, N skipped`.
 * In: `[--quick|--slow] [suite …] [-- arguments for vitest or pytest]`; without a suite all of them, without a part both. Out: exit code 0
 * only when nothing failed. The names of failed tests stand above the last line. Never hides a suite that could not run: it is named with its reason
 * and counted as skipped.
 */
import "./support/node-version.ts";
import { mkdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { NAMES, PARTS, type Part, partsOf, type SuiteName } from "./suites.ts";
import { type Job, reports, run, type Tally } from "./support/suite-job.ts";

const separator = process.argv.indexOf("--", 2);
const words = process.argv.slice(2, separator === -1 ? undefined : separator);
const forwarded = separator === -1 ? [] : process.argv.slice(separator + 1);
const asked = words.filter((word) => !word.startsWith("--"));
const options = words.filter((word) => word.startsWith("--"));
const unknown = [
  ...asked.filter((name) => !NAMES.includes(name as SuiteName)).map((name) => `no suite named ${name}`),
  ...options.filter((option) => !PARTS.some((part) => option === `--${part}`)).map((option) => `no option ${option}`),
  ...(forwarded.length > 0 && asked.length !== 1 ? [`arguments (${forwarded.join(" ")}) are for one suite`] : []),
];
if (unknown.length > 0) {
  console.error(`test: ${unknown.join("; ")}. Fix: npm run test:unit -- <file>. Suites: ${NAMES.join(", ")}.`);
  process.exit(2);
}

const parts = options.length === 0 ? PARTS : PARTS.filter((part) => options.includes(`--${part}`));
const names = NAMES.filter((name) => asked.length === 0 || asked.includes(name));
const jobs = names.flatMap((name): Job[] => {
  const own = partsOf(name).filter((part) => parts.includes(part));
  return own.length > 0 ? [{ name, parts: own, forwarded }] : [];
});

if (jobs.length === 0) {
  console.error(`test: ${asked.join(", ")} has no test for ${options.join(" ")}. Fix: npm run test:${asked[0]}`);
  process.exit(2);
}

mkdirSync(reports, { recursive: true });
if (jobs.length > 1)
  console.log("A suite's output is shown when it ends; as it comes, it is in .imagegen/reports/<suite>.log");
const started = Date.now();
const tallies = await sideBySide(jobs);
const lines = jobs.map((job) => `${labelOf(job).padEnd(16)} ${lineOf(tallies.get(job))}`);
const total = { passed: 0, failed: 0, skipped: 0 };
for (const tally of tallies.values()) {
  for (const key of ["passed", "failed", "skipped"] as const) total[key] += tally[key];
}
console.log(`\n${lines.join("\n")}\n${"all".padEnd(16)} ${secondsSince(started)} s\n`);
for (const [job, { failures }] of tallies) {
  for (const failure of failures) console.log(`FAILED ${labelOf(job)}: ${failure}`);
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 ? 1 : 0;

/** Runs every job: the next one starts as soon as there is a core for it. */
async function sideBySide(all: readonly Job[]): Promise<Map<Job, Tally>> {
  const waiting = [...all];
  const running = new Map<Job, Promise<void>>();
  const done = new Map<Job, Tally>();
  const live = all.length === 1;
  while (waiting.length + running.size > 0) {
    const [next] = waiting;
    if (next && running.size < availableParallelism()) {
      waiting.shift();
      if (!live) console.log(`--- ${labelOf(next)} begins`);
      const end = run(next, live).then((tally) => {
        running.delete(next);
        done.set(next, tally);
        console.log(`\n=== ${labelOf(next)}: ${lineOf(tally)}\n${tally.output}`);
      });
      running.set(next, end);
    } else await Promise.race(running.values());
  }
  return done;
}

function labelOf({ name, parts }: Job): string {
  const slow: readonly Part[] = ["slow"];
  return parts.join() === slow.join() ? `${name} (slow)` : name;
}

function lineOf(tally: Tally | undefined): string {
  if (!tally) return "";
  if (tally.missing) return `left out: ${tally.missing}`;
  return `${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped (${tally.seconds} s)`;
}

function secondsSince(start: number): number {
  return Math.round((Date.now() - start) / 1000);
}
