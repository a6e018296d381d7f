import { randomBytes } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { EngineEvent, OutputMap, Stack } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import { CliError } from "../core/exit.ts";
import type { Paths } from "../core/paths.ts";
import { engineAddress } from "../targets/docker/docker.ts";
import { describeEvent, explainFailure, reasonInOutput } from "./diagnostics.ts";
import type { StackFiles } from "./files.ts";

/** What `up` and `destroy` report while they run. */
export interface Watch {
  readonly signal: AbortSignal;
  readonly onText: (text: string) => void;
  readonly onEvent?: (event: EngineEvent) => void;
  /** Ends the run as Ctrl-C would; unlike `signal`, for reasons of our own. */
  readonly cancel?: AbortSignal;
}

/** One stack of this checkout, driven by the Automation API; its config is the copy below .imagegen/stacks. */
export class LocalStack {
  readonly #stack: Stack;
  readonly #files: StackFiles;
  readonly #log: string;

  private constructor(stack: Stack, files: StackFiles, log: string) {
    this.#stack = stack;
    this.#files = files;
    this.#log = log;
  }

  /** Opens the stack, makes it when it is new. `root` is the folder of a Pulumi CLI that is not on PATH. */
  static async open(paths: Paths, files: StackFiles, log: string, root?: string): Promise<LocalStack> {
    // Loaded here because it takes a second, which only the commands that need it should pay.
    const {
      LocalWorkspace,
      PulumiCommand,
      Stack: AutomationStack,
    } = await import("@pulumi/pulumi/automation/index.js");
    try {
      const pulumiCommand = await PulumiCommand.get(root ? { root } : {});
      const common = { pulumiCommand, envVars: await environment(paths) };
      // `stack init` writes the salt beside the project it runs in, so it runs in one of our own.
      const besides = await LocalWorkspace.create({ ...common, workDir: files.writeInitProject() });
      await AutomationStack.createOrSelect(files.name, besides);
      const workspace = await LocalWorkspace.create({ ...common, workDir: paths.root });
      return new LocalStack(await AutomationStack.select(files.name, workspace), files, log);
    } catch (error) {
      throw failure([], error);
    }
  }

  /** Encrypts `value` into the copy of the stack's config. It travels by stdin: a command line can be read by others. */
  async setSecret(key: string, value: string): Promise<void> {
    const { workDir, envVars, pulumiCommand } = this.#stack.workspace;
    const args = ["config", "set", "--secret", "--stack", this.#files.name, "--config-file", this.#files.copy];
    const options = { cwd: workDir, env: envVars, input: value, reject: false } as const;
    const result = await execa(pulumiCommand.command, [...args, key, "--non-interactive"], options);
    if (result.exitCode !== 0)
      throw new CliError(`${key} could not be stored: ${reasonInOutput(result.stderr) ?? "see pulumi"}`);
  }

  /** Makes the stack what its config says. Throws a CliError with the program's or the provider's reason. */
  async up(watch: Watch): Promise<OutputMap> {
    return this.#run(watch, async (options) => (await this.#stack.up({ ...options, refresh: true })).outputs);
  }

  /** Removes what `up` made, as far as the program lets go of it: what is protected stays, also in the state. */
  async destroy(watch: Watch): Promise<void> {
    await this.#run(watch, (options) => this.#stack.destroy({ ...options, excludeProtected: true }));
  }

  /** False when nothing is left of the stack, or nothing was ever made. */
  async hasResources(): Promise<boolean> {
    const { deployment } = await this.#stack.exportStack();
    return ((deployment as { resources?: unknown[] } | undefined)?.resources ?? []).length > 0;
  }

  /**
   * Has the stack leave these volumes to AWS when its program names them no more: neither their protection stops that, nor
   * does a config that deletes what goes. Everything else in the state stays as it is.
   */
  async letGo(volumeIds: readonly string[]): Promise<void> {
    const state = await this.#stack.exportStack();
    const { resources = [] } = (state.deployment ?? {}) as { resources?: StateResource[] };
    const found = resources.filter(({ type, id }) => type === "aws:ebs/volume:Volume" && volumeIds.includes(id ?? ""));
    const held = found.filter(({ protect, retainOnDelete }) => protect || !retainOnDelete);
    if (held.length === 0) return;
    for (const volume of held) Object.assign(volume, { protect: false, retainOnDelete: true });
    await this.#stack.importStack(state);
  }

  async #run<T>(watch: Watch, action: (options: RunOptions) => Promise<T>): Promise<T> {
    const events: EngineEvent[] = [];
    const write = (text: string) => appendFileSync(this.#log, text);
    const options: RunOptions = {
      color: "never",
      configFile: this.#files.copy,
      // With secrets, the look at the stack's history after a run would write a salt into the tracked file.
      showSecrets: false,
      onOutput: write,
      onError: write,
      onEvent: (event) => {
        events.push(event);
        const text = describeEvent(event);
        if (text) watch.onText(text);
        watch.onEvent?.(event);
      },
    };
    // A terminal's Ctrl-C reaches Pulumi by itself, and a second one would make it drop everything.
    const signals = [...(process.stdin.isTTY ? [] : [watch.signal]), ...(watch.cancel ? [watch.cancel] : [])];
    if (signals.length > 0) options.signal = AbortSignal.any(signals);
    try {
      return await action(options);
    } catch (error) {
      watch.signal.throwIfAborted();
      const { message, exitCode } = failure(events, error);
      write(`\n${message}\n`);
      throw new CliError(`${message}\nThe whole story: ${this.#log}`, exitCode);
    }
  }
}

/** What is read and changed of a resource in the state. */
interface StateResource {
  type: string;
  id?: string;
  protect?: boolean;
  retainOnDelete?: boolean;
}

interface RunOptions {
  color: "never";
  configFile: string;
  showSecrets: false;
  onOutput: (text: string) => void;
  onError: (text: string) => void;
  onEvent: (event: EngineEvent) => void;
  signal?: AbortSignal;
}

/** The environment of every Pulumi command: what the user has set stands, the rest is kept in this checkout. */
export async function environment(paths: Paths, env: NodeJS.ProcessEnv = process.env): Promise<Record<string, string>> {
  const host = await engineAddress(env);
  return {
    PULUMI_SKIP_UPDATE_CHECK: "true",
    // The program must run on the Node that runs us, whatever `node` is on the user's PATH.
    PATH: `${dirname(process.execPath)}${delimiter}${env.PATH ?? ""}`,
    ...(env.PULUMI_BACKEND_URL ? {} : { PULUMI_BACKEND_URL: ownBackend(paths) }),
    ...(env.PULUMI_CONFIG_PASSPHRASE !== undefined || env.PULUMI_CONFIG_PASSPHRASE_FILE
      ? {}
      : { PULUMI_CONFIG_PASSPHRASE_FILE: ownPassphrase(paths) }),
    ...(host ? { DOCKER_HOST: host } : {}),
  };
}

function ownBackend(paths: Paths): string {
  mkdirSync(paths.state, { recursive: true });
  return pathToFileURL(paths.state).href;
}

function ownPassphrase(paths: Paths): string {
  if (!existsSync(paths.passphrase)) {
    mkdirSync(paths.home, { recursive: true });
    writeFileSync(paths.passphrase, `${randomBytes(24).toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
  }
  return paths.passphrase;
}

function failure(events: readonly EngineEvent[], error: unknown): CliError {
  return error instanceof CliError ? error : new CliError(explainFailure(events, error));
}

/** A new log file for one run of one command. */
export function newLog(paths: Paths, command: string): string {
  mkdirSync(paths.logs, { recursive: true });
  const stamp = new Date().toISOString().replace(/[:.]/g, "-").slice(0, 19);
  return join(paths.logs, `${command}-${stamp}.log`);
}
