import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { parse, stringify } from "yaml";

const PROJECT = "Picture-Perfect-Challenge";
/** Types whose changes are the engine's own business. */
const INTERNAL = /^(?:imagegen:|pulumi:)/;

const UNCHANGED = ["same", "read", "refresh"];

export type Config = Readonly<Record<string, string | undefined>>;

/** What one command of the real CLI did. */
export interface AwsRun {
  readonly ok: boolean;
  /** All that a user would see. */
  readonly text: string;
  /** `create aws:ec2/instance:Instance`, for every resource that did not stay the same. */
  readonly changes: readonly string[];
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly seconds: number;
  /** Of processors: what it would take at most on a machine with nothing else to do. */
  readonly cpuSeconds: number;
}

interface Place {
  /** Folder of the project, and in it the one of the stack files. */
  readonly directory: string;
  readonly stacks: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** A stack that is driven by one CLI process a command; its config is written straight into its file. */
export class AwsStack {
  readonly #place: Place;
  readonly name: string;

  private constructor(place: Place, name: string) {
    this.#place = place;
    this.name = name;
  }

  static async init(place: Place, name: string): Promise<AwsStack> {
    const stack = new AwsStack(place, name);
    const made = await stack.#pulumi("stack", "init", name);
    if (made.exitCode !== 0) throw new Error(made.all);
    return stack;
  }

  /** Keys of the project's config; `undefined` takes one away. */
  change(config: Config): void {
    this.write(Object.fromEntries(Object.entries(config).map(([key, value]) => [`${PROJECT}:${key}`, value])));
  }

  write(changes: Config): void {
    const path = join(this.#place.directory, this.#place.stacks, `Pulumi.${this.name}.yaml`);
    const file = existsSync(path) ? (parse(readFileSync(path, "utf8")) as { config?: Config }) : {};
    const config = Object.entries({ ...file.config, ...changes }).filter(([, value]) => value !== undefined);
    writeFileSync(path, stringify({ ...file, config: Object.fromEntries(config) }));
  }

  async up(): Promise<AwsRun> {
    return this.#run("up", "--yes", "--skip-preview");
  }

  async preview(): Promise<AwsRun> {
    return this.#run("preview");
  }

  async refresh(): Promise<AwsRun> {
    return this.#run("refresh", "--yes", "--skip-preview");
  }

  async destroy(...options: string[]): Promise<AwsRun> {
    return this.#run("destroy", "--yes", "--skip-preview", ...options);
  }

  /** Lets a protected resource go, which the program does not name any more. */
  async unprotect(type: string, name: string): Promise<void> {
    const urn = `urn:pulumi:${this.name}::${PROJECT}::${type}::${name}`;
    const { exitCode, all } = await this.#pulumi("state", "unprotect", "--yes", urn);
    if (exitCode !== 0) throw new Error(all);
  }

  async #run(...command: string[]): Promise<AwsRun> {
    const log = join(this.#place.directory, `${this.name}.events`);
    const started = performance.now();
    const { exitCode, all } = await this.#pulumi(...command, "--event-log", log);
    const seconds = (performance.now() - started) / 1000;
    const events = existsSync(log) ? readFileSync(log, "utf8").split("\n").filter(Boolean).map(readEvent) : [];
    rmSync(log, { force: true });
    const steps = events.flatMap(({ resourcePreEvent }) => resourcePreEvent?.metadata ?? []);
    const ends = events.flatMap(({ resOutputsEvent }) => resOutputsEvent?.metadata ?? []);
    const changes = steps.filter(({ op, type }) => !UNCHANGED.includes(op) && !INTERNAL.test(type));
    return {
      ok: exitCode === 0,
      text: all,
      changes: changes.map(({ op, type }) => `${op} ${type}`),
      outputs: ends.findLast(({ type }) => type === "pulumi:pulumi:Stack")?.new?.outputs ?? {},
      seconds,
      cpuSeconds: cpuOf(all),
    };
  }

  async #pulumi(...command: string[]): Promise<{ exitCode: number | undefined; all: string }> {
    const stack = command[0] === "stack" ? [] : ["--stack", this.name];
    const all = [...command, ...stack, "--non-interactive", "--color", "never"];
    const result = await execa("bash", ["-c", TIMED, "bash", ...all], {
      cwd: this.#place.directory,
      // The event log is an option for developers of the CLI.
      env: { ...this.#place.environment, PULUMI_DEBUG_COMMANDS: "true" },
      reject: false,
      all: true,
    });
    return { exitCode: result.exitCode, all: result.all ?? "" };
  }
}

interface Step {
  readonly op: string;
  readonly type: string;
  readonly new?: { readonly outputs?: Readonly<Record<string, unknown>> };
}
interface EngineEvent {
  readonly resourcePreEvent?: { readonly metadata: Step };
  readonly resOutputsEvent?: { readonly metadata: Step };
}

/** The command, and then a line with its own and its children's seconds of user and system time. */
const TIMED = 'TIMEFORMAT="cpu: %U %S"; time pulumi "$@"';

function cpuOf(text: string): number {
  const [, user = "0", system = "0"] = /^cpu: ([\d.]+) ([\d.]+)$/m.exec(text) ?? [];
  return Number(user) + Number(system);
}

const readEvent = (line: string) => JSON.parse(line) as EngineEvent;

/** The run, when it succeeded; else the test fails with all that a user would have seen. */
export function succeeded(run: AwsRun): AwsRun {
  if (!run.ok) throw new Error(run.text);
  return run;
}

/** What a user would have seen of a failure; a run that succeeded fails the test. */
export function failed(run: AwsRun): string {
  if (run.ok) throw new Error(`it should have failed:\n${run.text}`);
  return run.text;
}
