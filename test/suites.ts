/**
 * The suites of tests, and what runs each; those that take longest begin first. What is quick and what is slow stands in the files' names alone: a test
 * of `*.slow.test.ts` or `test_*_slow.py` is run by `npm run test:slow`, every other one by `npm test`.
 */
import { globSync } from "node:fs";
import { paths } from "./support/paths.ts";

export const PARTS = ["quick", "slow"] as const;
export type Part = (typeof PARTS)[number];

export interface Suite {
  readonly runner: "check" | "pytest" | "vitest";
  /** Of one test or hook, in vitest. */
  readonly timeoutSeconds?: number;
  /** Files of a worker share what they import, but for those of `*.mocked.test.ts`, which replace modules. */
  readonly sharedModules?: boolean;
  /** How many files run at a time; otherwise vitest decides. */
  readonly workers?: number;
  readonly globalSetup?: string;
}

/** One file at a time: they share Docker. */
const SERIAL = 1;

const SUITES = {
  host: { runner: "vitest", timeoutSeconds: 900, workers: SERIAL },
  engine: { runner: "vitest", timeoutSeconds: 600, workers: SERIAL },
  "engine-aws": { runner: "vitest", timeoutSeconds: 600, workers: SERIAL },
  python: { runner: "pytest" },
  operations: { runner: "vitest", timeoutSeconds: 180 },
  // Much of it waits for pictures.
  page: { runner: "vitest", timeoutSeconds: 120, workers: 2, globalSetup: "test/page/global-setup.ts" },
  e2e: { runner: "vitest", timeoutSeconds: 600, workers: SERIAL, globalSetup: "test/e2e/global-setup.ts" },
  registry: { runner: "vitest", timeoutSeconds: 600, workers: SERIAL },
  unit: { runner: "vitest", timeoutSeconds: 120, sharedModules: true },
  start: { runner: "vitest", timeoutSeconds: 600, workers: SERIAL },
  check: { runner: "check" },
  component: { runner: "vitest", timeoutSeconds: 120, sharedModules: true },
  clients: { runner: "vitest", timeoutSeconds: 300 },
  policy: { runner: "vitest", timeoutSeconds: 120 },
} as const satisfies Record<string, Suite>;

export type SuiteName = keyof typeof SUITES;
export const NAMES = Object.keys(SUITES) as SuiteName[];
export const suiteOf = (name: SuiteName): Suite => SUITES[name];

const SLOW = ".slow.test.ts";
const SLOW_PYTHON = "_slow.py";
const MOCKED = ".mocked.test.ts";

/** What vitest calls a part of a suite. */
export const projectOf = (name: SuiteName, part: Part) => (part === "slow" ? `${name}-slow` : name);

/** A project of vitest; a part of a suite has one, or two where some of its files replace modules. */
export interface Project {
  readonly name: string;
  readonly isolate: boolean;
  readonly include: string[];
  readonly exclude: string[];
}

export function projectsOf(name: SuiteName, part: Part): Project[] {
  const project = projectOf(name, part);
  const files = `test/${name}/**/*`;
  if (part === "slow") return [{ name: project, isolate: true, include: [`${files}${SLOW}`], exclude: [] }];
  const whole = { name: project, isolate: true, include: [`${files}.test.ts`], exclude: [`**/*${SLOW}`] };
  if (!suiteOf(name).sharedModules) return [whole];
  const shared = { ...whole, isolate: false, exclude: [...whole.exclude, `**/*${MOCKED}`] };
  const mocked = { ...whole, name: `${project}-mocked`, include: [`${files}${MOCKED}`] };
  return globSync(mocked.include, { cwd: paths.root }).length > 0 ? [shared, mocked] : [shared];
}

/** It waits for five hundred pictures of a second, one after another. */
const LONGEST = "tests/images_api/test_load_slow.py";

/** The test files of a part in pytest, relative to image-gen; the one that takes longest begins first. */
export const pythonFilesOf = (part: Part) =>
  globSync("tests/**/test_*.py", { cwd: paths.imageGen })
    .filter((file) => isSlow(file) === (part === "slow"))
    .sort((a, b) => Number(b === LONGEST) - Number(a === LONGEST));

/** The parts that a suite has. */
export function partsOf(name: SuiteName): Part[] {
  const { runner } = suiteOf(name);
  if (runner === "check") return ["quick"];
  if (runner === "pytest") return PARTS.filter((part) => pythonFilesOf(part).length > 0);
  const files = globSync(`test/${name}/**/*.test.ts`, { cwd: paths.root });
  return PARTS.filter((part) => files.some((file) => isSlow(file) === (part === "slow")));
}

function isSlow(file: string): boolean {
  return file.endsWith(SLOW) || file.endsWith(SLOW_PYTHON);
}
