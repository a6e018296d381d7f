import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parse, parseDocument, stringify } from "yaml";
import { PROJECT } from "../../infra/contract.ts";
import { CliError, EXIT, oneLine } from "../core/exit.ts";
import type { Paths } from "../core/paths.ts";
import { type ConfigMap, composeStack, isSecret, type KeptConfig, type StackFile } from "./config.ts";

/** The names that Pulumi allows for a stack, and that are safe as part of a file's name. */
const STACK_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/;

/** Reads and writes the files of one stack. The tracked `stacks/Pulumi.<stack>.yaml` is only written by `pin`. */
export class StackFiles {
  readonly name: string;
  readonly tracked: string;
  /** The copy that Pulumi gets as `--config-file` and may write to. */
  readonly copy: string;
  readonly #kept: string;

  constructor(paths: Paths, name: string) {
    if (!STACK_NAME.test(name)) {
      throw new CliError(`--stack: expected letters, digits, ".", "_" or "-", got "${name}".`, EXIT.usage);
    }
    this.name = name;
    this.tracked = join(paths.trackedStacks, `Pulumi.${name}.yaml`);
    this.copy = join(paths.stacks, `Pulumi.${name}.yaml`);
    this.#kept = join(paths.stacks, `${name}.kept.json`);
  }

  /** The config that the next `up` would use, without the choices that `up` makes by itself. */
  config(): ConfigMap {
    return this.compose({}).config ?? {};
  }

  /** The config of the last `up`, with its choices; that of the next one when there was none. */
  lastConfig(): ConfigMap {
    return existsSync(this.copy) ? (readYaml(this.copy).config ?? {}) : this.config();
  }

  kept(): KeptConfig {
    return existsSync(this.#kept) ? (JSON.parse(readFileSync(this.#kept, "utf8")) as KeptConfig) : { config: {} };
  }

  keep(values: ConfigMap): void {
    const salt = Object.values(values).some(isSecret) ? readYaml(this.copy).encryptionsalt : this.kept().salt;
    const kept: KeptConfig = { config: { ...this.kept().config, ...values }, ...(salt ? { salt } : {}) };
    writeWhole(this.#kept, `${JSON.stringify(kept, null, 2)}\n`);
  }

  forget(): void {
    rmSync(this.#kept, { force: true });
  }

  /**
   * Writes what the stack's data or host depends on where every operator and every pipeline sees it: into the tracked file,
   * with its comments left alone; into what is kept where there is none. Returns the file's path.
   */
  pin(values: Readonly<Record<string, string>>): string {
    const { config, ...rest } = this.kept();
    if (!existsSync(this.tracked)) {
      this.keep(values);
      return this.#kept;
    }
    const file = parseDocument(readFileSync(this.tracked, "utf8"));
    for (const [key, value] of Object.entries(values)) file.setIn(["config", key], value);
    writeWhole(this.tracked, file.toString({ lineWidth: 0 }), 0o644);
    // What was kept would stand over the file.
    const left = Object.entries(config).filter(([key]) => !(key in values));
    if (existsSync(this.#kept))
      writeWhole(this.#kept, `${JSON.stringify({ ...rest, config: Object.fromEntries(left) }, null, 2)}\n`);
    return this.tracked;
  }

  /** Writes the copy for Pulumi, with `forced` over all else, and returns its config. */
  write(chosen: ConfigMap, forced: ConfigMap = {}): ConfigMap {
    const plain = this.compose(chosen);
    const composed = { ...plain, config: { ...plain.config, ...forced } };
    const head = `# Made by imagegen from stacks/Pulumi.${this.name}.yaml at each start: change that file, or use --config.\n`;
    writeWhole(this.copy, head + stringify(composed));
    return composed.config ?? {};
  }

  /** The project file beside the copies, so that `pulumi stack init` writes its salt there and not to the tracked file. */
  writeInitProject(): string {
    const folder = dirname(this.copy);
    writeWhole(join(folder, "Pulumi.yaml"), stringify({ name: PROJECT, runtime: "nodejs" }));
    return folder;
  }

  secretOf(key: string): { secure: string } | undefined {
    const value = readYaml(this.copy).config?.[key];
    return isSecret(value) ? value : undefined;
  }

  private compose(chosen: ConfigMap): StackFile {
    return composeStack({
      tracked: readYaml(this.tracked),
      kept: this.kept(),
      chosen,
      previous: readYaml(this.copy),
    });
  }
}

function readYaml(file: string): StackFile {
  if (!existsSync(file)) return {};
  try {
    return (parse(readFileSync(file, "utf8")) as StackFile | null) ?? {};
  } catch (error) {
    throw new CliError(`${file} is not valid YAML: ${oneLine(error)}`, EXIT.usage);
  }
}

function writeWhole(file: string, text: string, mode = 0o600): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, text, { mode });
  renameSync(`${file}.new`, file);
}
