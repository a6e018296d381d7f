import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { parse, parseDocument, stringify } from "yaml";
import { nearest } from "../../infra/config/nearest.ts";
import type { ConfigOrigins, Problem } from "../../infra/config/problem.ts";
import type { Settings } from "../../infra/config/settings.ts";
import { PROJECT } from "../../infra/contract.ts";
import { atomicWrite } from "../core/atomic-write.ts";
import { commandFor } from "../core/command-line.ts";
import { CliError, EXIT, firstLine } from "../core/exit.ts";
import type { Paths } from "../core/paths.ts";
import {
  type ConfigMap,
  type ConfigOverrides,
  checkedSettings,
  composeStack,
  isSecret,
  type StackFile,
  settingsFor,
  withNamespaces,
  withPresentKeys,
  wordedProblems,
} from "./config.ts";

/** The names that Pulumi allows for a stack, and that are safe as part of a file's name. */
const STACK_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/;
const STACK_FILE = /^Pulumi\.(.+)\.yaml$/;

/** How a service runs on this machine: a container made by Pulumi, or a plain process. */
export type LocalMode = "docker" | "process";

/** Reads and writes the files of one stack. The tracked `stacks/Pulumi.<stack>.yaml` is only written by `pin`. */
export class StackFiles {
  readonly name: string;
  readonly tracked: string;
  /** What Pulumi gets as `--config-file` and may write to. */
  readonly workingCopy: string;
  readonly #overrides: string;
  /** The overrides as releases before 0.2 named them; read, and renamed by the first write. */
  readonly #oldOverrides: string;
  /** Config of this run alone, from its flags and its shell, over all else. */
  #given: ConfigMap = {};
  /** The variables of this shell that keys of it come from. */
  #shell: Readonly<Record<string, string>> = {};
  readonly #place: string;
  /** The overrides of an `up` that has not succeeded yet. */
  #pending: ConfigOverrides | undefined;

  constructor(paths: Paths, name: string) {
    if (!STACK_NAME.test(name)) {
      throw new CliError(`--stack: expected letters, digits, ".", "_" or "-", got "${name}".`, EXIT.usage);
    }
    this.name = name;
    this.tracked = join(paths.trackedStacks, `Pulumi.${name}.yaml`);
    this.workingCopy = join(paths.stacks, `Pulumi.${name}.yaml`);
    this.#overrides = join(paths.stacks, `${name}.overrides.json`);
    this.#oldOverrides = join(paths.stacks, `${name}.kept.json`);
    this.#place = join(paths.stacks, `${name}.place.json`);
  }

  /** Whether the stack has a file of its own; a name without one is likely to be mistyped. */
  get isKnown(): boolean {
    return [this.tracked, this.workingCopy, this.#overrides, this.#oldOverrides].some((file) => existsSync(file));
  }

  /** Throws a CliError that names the stacks there are, for a name without any file. */
  requireKnown(): void {
    if (this.isKnown) return;
    const known = this.knownStacks();
    const likely = nearest(this.name, known);
    throw new CliError(
      {
        message: `--stack: there is no stack "${this.name}"; there are ${known.join(", ")}.`,
        fix: `--stack ${likely ?? "<one of these>"}, or for a new stack: ${commandFor(this.name, "up --config target=local")}`,
      },
      EXIT.usage,
    );
  }

  /** The names of all stacks that have a file. */
  knownStacks(): string[] {
    const folders = [this.tracked, this.workingCopy].map((file) => dirname(file));
    const files = folders.flatMap((folder) => (existsSync(folder) ? readdirSync(folder) : []));
    return [...new Set(files.flatMap((file) => STACK_FILE.exec(file)?.[1] ?? []))].sort();
  }

  /** Where the stack's service was last started on this machine; its cache is there. */
  lastMode(): LocalMode | undefined {
    if (!existsSync(this.#place)) return undefined;
    const { mode } = readJson(this.#place) as { mode?: LocalMode };
    return mode;
  }

  setLastMode(mode: LocalMode | undefined): void {
    if (mode === undefined) rmSync(this.#place, { force: true });
    else atomicWrite(this.#place, `${JSON.stringify({ mode })}\n`);
  }

  /** The config that the next `up` would use, without the choices that `up` makes by itself. */
  config(): ConfigMap {
    return { ...this.compose({}).config, ...this.#given };
  }

  /** Config for this run, which is saved by `saveOverrides` or not at all; `{ secure: "" }` stands for a secret. `shell`: where it is from, by key. */
  use(values: ConfigMap, shell: Readonly<Record<string, string>> = {}): void {
    this.#given = values;
    this.#shell = shell;
  }

  /** Throws a CliError unless the config of this run is valid. */
  check(): void {
    checkedSettings(this.config(), this.#origins());
  }

  /** Mistakes that were found with this stack's config, each with its fix. */
  wordProblems(problems: readonly Problem[]): CliError {
    return wordedProblems(problems, this.config(), this.#origins());
  }

  /** The tracked file alone, with the keys of its encryption. */
  trackedFile(): StackFile {
    return readYaml(this.tracked);
  }

  /** The config of the tracked file alone. */
  trackedConfig(): ConfigMap {
    return this.trackedFile().config ?? {};
  }

  /** The config of the last `up`, with its choices; that of the next one when there was none. */
  lastConfig(): ConfigMap {
    return existsSync(this.workingCopy) ? withPresentKeys(readYaml(this.workingCopy).config ?? {}) : this.config();
  }

  /** The checked settings of the config that the next `up` would use. */
  settings<T extends Settings["target"]>(target: T) {
    return settingsFor(target, this.config(), this.#origins());
  }

  /** The checked settings of the last `up`. */
  lastSettings<T extends Settings["target"]>(target: T) {
    return settingsFor(target, this.lastConfig(), this.#origins(), false);
  }

  /**
   * Begins an `up`: what is saved from now on is written by `keep` alone, so that a mistake is not remembered. `reset`:
   * without what was saved before.
   */
  begin({ reset = false } = {}): void {
    this.#pending = reset ? { config: {} } : this.overrides();
  }

  /** Whether what was saved since `begin` is not written yet. */
  get isPending(): boolean {
    return this.#pending !== undefined;
  }

  /** Writes what was saved since `begin`, after the `up` has succeeded. */
  keep(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending && Object.keys(pending.config).length > 0) this.#store(pending);
    else if (pending) for (const file of [this.#overrides, this.#oldOverrides]) rmSync(file, { force: true });
  }

  #origins(): ConfigOrigins {
    const { config } = this.overrides();
    const originOf = (key: string) => {
      if (key in this.#shell) return "shell";
      if (key in this.#given) return "flag";
      return key in config ? "kept" : "file";
    };
    return { stack: this.name, originOf, variableOf: (key) => this.#shell[key] };
  }

  overrides(): ConfigOverrides {
    if (this.#pending) return this.#pending;
    const file = [this.#overrides, this.#oldOverrides].find((each) => existsSync(each));
    if (!file) return { config: {} };
    const saved = readJson(file) as Partial<ConfigOverrides>;
    return { ...saved, config: withPresentKeys(saved.config ?? {}) };
  }

  /** Saves values that win over the tracked file's; during an `up`, once that has succeeded. */
  saveOverrides(values: ConfigMap): void {
    const { config, salt: before } = this.overrides();
    const salt = Object.values(values).some(isSecret) ? readYaml(this.workingCopy).encryptionsalt : before;
    this.#store({ config: { ...config, ...values }, ...(salt ? { salt } : {}) });
  }

  #store(overrides: ConfigOverrides): void {
    if (this.#pending) {
      this.#pending = overrides;
      return;
    }
    atomicWrite(this.#overrides, `${JSON.stringify(overrides, null, 2)}\n`);
    rmSync(this.#oldOverrides, { force: true });
  }

  /**
   * Writes what the stack's data or host depends on where every operator and every pipeline sees it: into the tracked file,
   * with its comments left alone; into the overrides where there is none. Returns the file's path.
   */
  pin(values: Readonly<Record<string, string>>): string {
    if (!existsSync(this.tracked)) {
      this.saveOverrides(values);
      return this.#overrides;
    }
    const file = parseDocument(readFileSync(this.tracked, "utf8"));
    for (const [key, value] of Object.entries(values)) file.setIn(["config", key], value);
    atomicWrite(this.tracked, file.toString({ lineWidth: 0 }), 0o644);
    // An override would win over the file.
    const { config, ...rest } = this.overrides();
    if (Object.keys(config).some((key) => key in values)) {
      const left = Object.entries(config).filter(([key]) => !(key in values));
      this.#store({ ...rest, config: Object.fromEntries(left) });
    }
    return this.tracked;
  }

  /**
   * Writes into the tracked file by which key secrets of the stack are encrypted from now on, in place of a passphrase. Its config must
   * have no secret. Returns the file's path.
   */
  encryptWith({ secretsprovider, encryptedkey }: StackFile): string {
    const file = parseDocument(existsSync(this.tracked) ? readFileSync(this.tracked, "utf8") : "{}");
    file.delete("encryptionsalt");
    for (const [key, value] of Object.entries({ secretsprovider, encryptedkey })) file.set(key, value);
    atomicWrite(this.tracked, file.toString({ lineWidth: 0 }), 0o644);
    return this.tracked;
  }

  /** Writes the working copy for Pulumi, with `forced` over all else, and returns its config. */
  write(chosen: ConfigMap, forced: ConfigMap = {}): ConfigMap {
    const plain = this.compose(chosen);
    const given = Object.entries(this.#given).filter(([, value]) => !isSecret(value));
    const composed = { ...plain, config: { ...plain.config, ...Object.fromEntries(given), ...forced } };
    const head = `# Made by imagegen from stacks/Pulumi.${this.name}.yaml at each start: change that file, or use --config.\n`;
    atomicWrite(this.workingCopy, head + stringify(composed));
    return composed.config ?? {};
  }

  /** Remembers what the last `up` has written; the function that this returns puts it back. */
  rememberStart(): () => void {
    const copy = existsSync(this.workingCopy) ? readFileSync(this.workingCopy, "utf8") : undefined;
    const mode = this.lastMode();
    return () => {
      this.setLastMode(mode);
      if (copy === undefined) rmSync(this.workingCopy, { force: true });
      else atomicWrite(this.workingCopy, copy);
    };
  }

  /** The project file beside the working copies, so that `pulumi stack init` writes its salt there, not to the tracked file. */
  writeInitProject(): string {
    const folder = dirname(this.workingCopy);
    atomicWrite(join(folder, "Pulumi.yaml"), stringify({ name: PROJECT, runtime: "nodejs" }));
    return folder;
  }

  secretOf(key: string): { secure: string } | undefined {
    const value = readYaml(this.workingCopy).config?.[key];
    return isSecret(value) ? value : undefined;
  }

  private compose(chosen: ConfigMap): StackFile {
    return composeStack({
      tracked: readYaml(this.tracked),
      overrides: this.overrides(),
      chosen,
      previous: readYaml(this.workingCopy),
    });
  }
}

function readYaml(file: string): StackFile {
  if (!existsSync(file)) return {};
  try {
    const { config, ...others } = (parse(readFileSync(file, "utf8")) as StackFile | null) ?? {};
    return config === undefined ? others : { ...others, config: withNamespaces(config) };
  } catch (error) {
    throw new CliError(`${file} is not valid YAML: ${firstLine(error)}`, EXIT.usage);
  }
}

/** The object in a file that only this command writes. */
function readJson(file: string): object {
  const text = readFileSync(file, "utf8");
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // As one of another form, below.
  }
  const message = `${file} is ${text.trim() === "" ? "empty" : "no JSON object"}: it was damaged.`;
  throw new CliError({ message, fix: `rm '${file}', and give what it held (--config, --mode) again` }, EXIT.failed);
}
