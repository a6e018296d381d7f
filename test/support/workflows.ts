import { readFileSync } from "node:fs";
import { parse } from "yaml";

/** A step of a workflow's job. */
export interface Step {
  readonly id?: string;
  readonly if?: string;
  readonly "timeout-minutes"?: number;
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}

/** A job of a workflow. */
export interface Job {
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

export const WORKFLOWS = ".github/workflows";
/** All of them; a test compares. */
export const FILES = [
  "audit.yml",
  "bench.yml",
  "canary.yml",
  "check.yml",
  "deploy.yml",
  "drift.yml",
  "mirror.yml",
  "plan.yml",
  "preview.yml",
  "release.yml",
];
export const text = (file: string) => readFileSync(`${WORKFLOWS}/${file}`, "utf8");
export const read = (file: string) => parse(text(file)) as Workflow;
export const jobs = (file: string): Job[] => Object.values(read(file).jobs);
export const steps = (file: string): Step[] => jobs(file).flatMap((job) => job.steps ?? []);

/** As GitHub writes one. */
export const expression = (text: string) => `\${{ ${text} }}`;

/** What a job checks out, each time. */
export const checkouts = (job: Job | undefined) =>
  (job?.steps ?? []).filter(({ uses }) => uses?.startsWith("actions/checkout@")).map((step) => step.with?.ref);
