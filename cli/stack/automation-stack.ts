import { appendFileSync, mkdirSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type {
  Deployment,
  DestroyOptions,
  EngineEvent,
  OutputMap,
  Stack,
  UpOptions,
} from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import type { Context } from "../core/context.ts";
import { CliError, type ErrorDetail, firstLine } from "../core/exit.ts";
import type { Paths } from "../core/paths.ts";
import { engineAddress } from "../toolchain/docker.ts";
import { type ConfigMap, readText } from "./config.ts";
import { describeEvent, explainFailure, reasonInOutput } from "./diagnostics.ts";
import type { StackFiles } from "./files.ts";
import { hasOwnPassphrase, ownPassphrase } from "./passphrase.ts";

/** What `up` and `destroy` report while they run. */
export interface RunCallbacks {
  readonly signal: AbortSignal;
  readonly onText: (text: string) => void;
  readonly onEvent?: (event: EngineEvent) => void;
  /** Ends the run as Ctrl-C would, and is not the user's doing. */
  readonly cancel?: AbortSignal;
}

/** One stack of this checkout, driven by the Automation API; its config is the working copy in .imagegen/stacks. */
export class AutomationStack {
  readonly #stack: Stack;
  readonly #files: StackFiles;
  /** The file that Pulumi's whole output goes to. */
  readonly log: string;

  private constructor(stack: Stack, files: StackFiles, log: string) {
    this.#stack = stack;
    this.#files = files;
    this.log = log;
  }

  /**
   * Opens the stack for `command`, makes it when it is new. `root` is the folder of a Pulumi CLI that is not on PATH; `variables`, what
   * its environment has besides, over the user's.
   */
  static async open(
    { paths, files }: Pick<Context, "paths" | "files">,
    command: string,
    root?: string,
    variables: Readonly<Record<string, string>> = {},
  ): Promise<AutomationStack> {
    // Loaded here because it takes a second, which only the commands that need it should pay.
    const { LocalWorkspace, PulumiCommand, Stack } = await import("@pulumi/pulumi/automation/index.js");
    try {
      const pulumiCommand = await PulumiCommand.get(root ? { root } : {});
      const envVars = {
        ...(await environment(paths, files.name)),
        ...pluginEnvironment(files.lastConfig()),
        ...variables,
      };
      const common = { pulumiCommand, envVars };
      // `stack init` writes the salt beside the project it runs in, so it runs in one of our own.
      const besides = await LocalWorkspace.create({ ...common, workDir: files.writeInitProject() });
      await Stack.createOrSelect(files.name, besides);
      const workspace = await LocalWorkspace.create({ ...common, workDir: paths.root });
      return new AutomationStack(await Stack.select(files.name, workspace), files, newLog(paths, command, files.name));
    } catch (error) {
      throw toCliError([], error, files.name);
    }
  }

  /** Encrypts `value` into the working copy. It travels by stdin: other users can read a command line. */
  async setSecret(key: string, value: string): Promise<void> {
    const { workDir, envVars, pulumiCommand } = this.#stack.workspace;
    const args = ["config", "set", "--secret", "--stack", this.#files.name, "--config-file", this.#files.workingCopy];
    const options = { cwd: workDir, env: envVars, input: value, reject: false } as const;
    const result = await execa(pulumiCommand.command, [...args, key, "--non-interactive"], options);
    if (result.exitCode !== 0)
      throw new CliError(`${key} could not be stored: ${reasonInOutput(result.stderr) ?? firstLine(result.stderr)}`);
  }

  /** Makes the stack what its config says. Throws a CliError with the program's or the provider's reason. */
  async up(callbacks: RunCallbacks): Promise<OutputMap> {
    return this.#run(callbacks, async (options) => (await this.#stack.up({ ...options, refresh: true })).outputs);
  }

  /** Removes what `up` made. Protected resources stay, also in the state. */
  async destroy(callbacks: RunCallbacks): Promise<void> {
    await this.#run(callbacks, (options) => this.#stack.destroy({ ...options, excludeProtected: true }));
  }

  /** Where a failure's details are. */
  get logDetail(): ErrorDetail {
    return { message: `Full log: ${this.log}` };
  }

  /** What the state has: nothing when nothing is left of the stack, or nothing was ever made. */
  async resources(): Promise<readonly StateResource[]> {
    return resourcesIn(await this.#stack.exportStack());
  }

  /**
   * Lets volumes leave the stack, by unprotecting them: those of `retain` stay in AWS, those of `remove` are deleted with the
   * next run that does not need them. Everything else in the state stays as it is.
   */
  async releaseVolumes({ retain = [], remove = [] }: ReleasedVolumes): Promise<void> {
    if (retain.length + remove.length === 0) return;
    const state = await this.#stack.exportStack();
    const held = resourcesIn(state).filter(
      ({ type, id = "", protect, retainOnDelete }) =>
        type === "aws:ebs/volume:Volume" &&
        ((retain.includes(id) && (protect || !retainOnDelete)) || (remove.includes(id) && (protect || retainOnDelete))),
    );
    if (held.length === 0) return;
    for (const volume of held)
      Object.assign(volume, { protect: false, retainOnDelete: retain.includes(volume.id ?? "") });
    await this.#stack.importStack(state);
  }

  async #run<T>(callbacks: RunCallbacks, action: (options: UpOptions & DestroyOptions) => Promise<T>): Promise<T> {
    const events: EngineEvent[] = [];
    const write = (text: string) => appendFileSync(this.log, text);
    const options: UpOptions & DestroyOptions = {
      color: "never",
      configFile: this.#files.workingCopy,
      // With secrets, the look at the stack's history after a run would write a salt into the tracked file.
      showSecrets: false,
      onOutput: write,
      onError: write,
      onEvent: (event) => {
        events.push(event);
        const text = describeEvent(event);
        if (text) callbacks.onText(text);
        callbacks.onEvent?.(event);
      },
    };
    // A terminal's Ctrl-C reaches Pulumi by itself, and a second one would make it drop everything.
    const signals = [process.stdin.isTTY ? undefined : callbacks.signal, callbacks.cancel];
    options.signal = AbortSignal.any(signals.filter((signal) => signal !== undefined));
    try {
      return await action(options);
    } catch (error) {
      callbacks.signal.throwIfAborted();
      const { message, details, exitCode } = toCliError(events, error, this.#files.name);
      write(`\n${message}\n`);
      throw new CliError([...details, this.logDetail], exitCode);
    }
  }
}

/** Volumes, by id, that a run may drop from the stack. */
export interface ReleasedVolumes {
  readonly retain?: readonly string[];
  readonly remove?: readonly string[];
}

/** What is read and changed of a resource in the state. */
export interface StateResource {
  type: string;
  id?: string;
  protect?: boolean;
  retainOnDelete?: boolean;
  /** Only read, not managed. */
  external?: boolean;
  inputs?: Readonly<Record<string, unknown>>;
}

function resourcesIn({ deployment }: Deployment): StateResource[] {
  return (deployment as { resources?: StateResource[] } | undefined)?.resources ?? [];
}

/**
 * Destroys the resources of the stack and returns those that stay in its state, which are protected; null when Pulumi knows of
 * none. `before`: what must be right of them, or it throws; it returns the volumes that are released first.
 */
export async function destroyStack(
  context: Context,
  root: string | undefined,
  before: (resources: readonly StateResource[]) => ReleasedVolumes | Promise<ReleasedVolumes> = () => ({}),
): Promise<readonly StateResource[] | null> {
  const { files, progress, signal } = context;
  const stack = await AutomationStack.open(context, "down", root);
  const resources = await stack.resources();
  if (resources.length === 0) return null;
  await stack.releaseVolumes(await before(resources));
  progress.log(`Removing the stack ${files.name} with Pulumi (log ${stack.log}) …`);
  await stack.destroy({ signal, onText: (text) => progress.update(text) });
  progress.stop();
  return stack.resources();
}

/** The environment of every Pulumi command: the user's own settings win, the rest is kept in this checkout. */
export async function environment(
  paths: Paths,
  stack: string,
  env: NodeJS.ProcessEnv = process.env,
  log: (line: string) => void = (line) => process.stderr.write(`${line}\n`),
): Promise<Record<string, string>> {
  const host = await engineAddress(env);
  return {
    PULUMI_SKIP_UPDATE_CHECK: "true",
    // The program must run on the Node that runs this, whatever `node` is on the user's PATH.
    PATH: `${dirname(process.execPath)}${delimiter}${env.PATH ?? ""}`,
    ...(env.PULUMI_BACKEND_URL ? {} : { PULUMI_BACKEND_URL: ownBackend(paths) }),
    ...(hasOwnPassphrase(env) ? {} : { PULUMI_CONFIG_PASSPHRASE_FILE: ownPassphrase(paths, stack, log) }),
    ...(host ? { DOCKER_HOST: host } : {}),
  };
}

/**
 * Before a program runs, Pulumi downloads the plugin of every provider among the packages, AWS's too. A stack on Docker needs only
 * Docker's, which is installed by then.
 */
export function pluginEnvironment(config: ConfigMap, env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const name = "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION";
  return ["aws", "fleet", "ci"].includes(readText(config, "target") ?? "") || env[name] !== undefined
    ? {}
    : { [name]: "true" };
}

function ownBackend(paths: Paths): string {
  mkdirSync(paths.state, { recursive: true });
  return pathToFileURL(paths.state).href;
}

function toCliError(events: readonly EngineEvent[], error: unknown, stack: string): CliError {
  return error instanceof CliError ? error : new CliError(explainFailure(events, error, stack));
}

/** A new log file for one run of one command. */
function newLog(paths: Paths, command: string, stack: string): string {
  mkdirSync(paths.logs, { recursive: true });
  const stamp = new Date().toISOString().replace(/[:.]/g, "-").slice(0, 19);
  return join(paths.logs, `${command}-${stack}-${stamp}.log`);
}
