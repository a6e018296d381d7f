import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { parse, stringify } from "yaml";
import { hasLogin } from "../../infra/config/login.ts";
import { SECRET_KEYS } from "../../infra/config/schema.ts";
import { ADDRESS_KEYS } from "../../infra/plan/image.ts";
import type { StackExport } from "../../scripts/preview/deployment.ts";

const PROJECT = "Picture-Perfect-Challenge";
/** Types whose changes are the engine's own business. */
const INTERNAL = /^(?:imagegen:|pulumi:)/;

const UNCHANGED = ["same", "read", "refresh"];

export type Config = Readonly<Record<string, string | undefined>>;

/** What one command of the real CLI did. */
export interface Run {
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

interface UpOptions {
  readonly refresh?: boolean;
  readonly expectNoChanges?: boolean;
}
interface PreviewOptions {
  readonly expectNoChanges?: boolean;
  readonly policyPacks?: readonly string[];
}

/** A stack that is driven by one CLI process a command; its config is written straight into its file, but for secrets. */
export class EngineStack {
  readonly #place: Place;
  readonly name: string;

  /** A stack that is there already. */
  constructor(place: Place, name: string) {
    this.#place = place;
    this.name = name;
  }

  static async init(place: Place, name: string): Promise<EngineStack> {
    const stack = new EngineStack(place, name);
    await stack.#succeed("stack", "init", name);
    return stack;
  }

  /** Keys of the project's config, in plain text; `undefined` takes one away. */
  change(config: Config): void {
    this.write(Object.fromEntries(Object.entries(config).map(([key, value]) => [`${PROJECT}:${key}`, value])));
  }

  /** Like `change`, but values that have to be secret are encrypted. */
  async set(config: Readonly<Record<string, string>>): Promise<void> {
    const entries = Object.entries(config);
    this.change(Object.fromEntries(entries.filter(([key, value]) => !isSecret(key, value))));
    for (const [key, value] of entries.filter(([key, value]) => isSecret(key, value)))
      await this.#succeed("config", "set", "--secret", `${PROJECT}:${key}`, value);
  }

  /** Keys with any namespace. */
  write(changes: Config): void {
    const path = join(this.#place.directory, this.#place.stacks, `Pulumi.${this.name}.yaml`);
    const file = existsSync(path) ? (parse(readFileSync(path, "utf8")) as { config?: Config }) : {};
    const config = Object.entries({ ...file.config, ...changes }).filter(([, value]) => value !== undefined);
    writeFileSync(path, stringify({ ...file, config: Object.fromEntries(config) }));
  }

  async up({ refresh, expectNoChanges }: UpOptions = {}): Promise<Run> {
    return this.#run("up", "--yes", "--skip-preview", ...flags({ refresh, "expect-no-changes": expectNoChanges }));
  }

  async preview({ expectNoChanges, policyPacks = [] }: PreviewOptions = {}): Promise<Run> {
    const packs = policyPacks.flatMap((pack) => ["--policy-pack", pack]);
    return this.#run("preview", ...flags({ "expect-no-changes": expectNoChanges }), ...packs);
  }

  /** `options`: in place of those that refresh the state without a question. */
  async refresh(...options: string[]): Promise<Run> {
    return this.#run("refresh", ...(options.length > 0 ? options : ["--yes", "--skip-preview"]));
  }

  async destroy(...options: string[]): Promise<Run> {
    return this.#run("destroy", "--yes", "--skip-preview", ...options);
  }

  /** Lets a protected resource go, which the program does not name any more. */
  async unprotect(type: string, name: string): Promise<void> {
    await this.#succeed("state", "unprotect", "--yes", `urn:pulumi:${this.name}::${PROJECT}::${type}::${name}`);
  }

  /** The state, with its secrets in the clear. */
  async export(): Promise<StackExport> {
    const file = join(this.#place.directory, `${this.name}.export.json`);
    await this.#succeed("stack", "export", "--show-secrets", "--stack", this.name, "--file", file);
    const state = JSON.parse(readFileSync(file, "utf8")) as StackExport;
    rmSync(file);
    return state;
  }

  /** Puts a state from elsewhere in place of this one; what it has of secrets is encrypted with this stack's key. */
  async import({ version, deployment }: StackExport): Promise<void> {
    const { secrets_providers } = (await this.export()).deployment;
    const file = join(this.#place.directory, `${this.name}.import.json`);
    writeFileSync(file, JSON.stringify({ version, deployment: { ...deployment, secrets_providers } }));
    await this.#succeed("stack", "import", "--stack", this.name, "--file", file);
    rmSync(file);
  }

  async #run(...command: string[]): Promise<Run> {
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

  async #succeed(...command: string[]): Promise<void> {
    const { exitCode, all } = await this.#pulumi(...command);
    if (exitCode !== 0) throw new Error(all);
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

/** An address is a secret by its password alone. */
function isSecret(key: string, value: string): boolean {
  return SECRET_KEYS.some((each) => each === key) && (!ADDRESS_KEYS.some((each) => each === key) || hasLogin(value));
}

const flags = (options: Readonly<Record<string, boolean | undefined>>) =>
  Object.entries(options).flatMap(([name, on]) => (on ? [`--${name}`] : []));

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
export function succeeded(run: Run): Run {
  if (!run.ok) throw new Error(run.text);
  return run;
}

/** What a user would have seen of a failure; a run that succeeded fails the test. */
export function failed(run: Run): string {
  if (run.ok) throw new Error(`it should have failed:\n${run.text}`);
  return run.text;
}
