import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { execa } from "execa";
import { parse, stringify } from "yaml";
import { PROJECT } from "../../../infra/contract.ts";
import type { Context } from "../../core/context.ts";
import { CliError, firstLine } from "../../core/exit.ts";
import { environment } from "../../stack/automation-stack.ts";
import type { StackFile } from "../../stack/config.ts";
import { reasonInOutput } from "../../stack/diagnostics.ts";
import { pulumiCommand } from "../../toolchain/pulumi.ts";

/** What is read of a resource in a state. */
export interface StateEntry {
  readonly urn: string;
  readonly type: string;
  readonly outputs?: Readonly<Record<string, unknown>>;
}

interface ExportedState {
  readonly resources?: readonly StateEntry[];
  readonly secrets_providers?: {
    readonly type: string;
    readonly state?: { readonly url?: string; readonly encryptedkey?: string };
  };
}

/** Pulumi's messages for a bucket, or a folder of one, that is not there yet. */
const NO_BACKEND = /NoSuchBucket|code=NotFound/;

/**
 * Pulumi's own commands on the states of one stack, which may be in several backends. They run in a folder with nothing but the
 * project's name and a copy of the stack's file: Pulumi writes the keys of its encryption there.
 */
export class StateProject {
  /** Of the states that `imagegen` keeps in this checkout. */
  readonly ownBackend: string;
  readonly #directory: string;
  readonly #command: string;
  readonly #name: string;
  readonly #environment: Readonly<Record<string, string>>;

  private constructor(directory: string, own: string, command: string, name: string, env: Record<string, string>) {
    this.#directory = directory;
    this.ownBackend = own;
    this.#command = command;
    this.#name = name;
    this.#environment = env;
  }

  /** `name`: of the stack; `root`: the folder of a Pulumi CLI that is not on PATH; `profile`: of AWS, for the bucket and the key. */
  static async open(
    { paths }: Pick<Context, "paths">,
    name: string,
    root: string | undefined,
    profile: string | undefined,
  ): Promise<StateProject> {
    const directory = join(paths.home, "states", name);
    mkdirSync(directory, { recursive: true });
    mkdirSync(paths.state, { recursive: true });
    writeFileSync(join(directory, "Pulumi.yaml"), stringify({ name: PROJECT, runtime: "nodejs" }));
    const tracked = join(paths.trackedStacks, `Pulumi.${name}.yaml`);
    const copy = join(directory, `Pulumi.${name}.yaml`);
    if (existsSync(tracked)) copyFileSync(tracked, copy);
    else rmSync(copy, { force: true });
    const env = { ...(await environment(paths, name)), ...(profile === undefined ? {} : { AWS_PROFILE: profile }) };
    return new StateProject(directory, pathToFileURL(paths.state).href, pulumiCommand(root), name, env);
  }

  /** The keys of encryption and the config, as Pulumi left them. */
  file(): StackFile {
    const copy = join(this.#directory, `Pulumi.${this.#name}.yaml`);
    return existsSync(copy) ? ((parse(readFileSync(copy, "utf8")) as StackFile | null) ?? {}) : {};
  }

  /** The resources in the state; undefined when the backend has no such stack, or there is no bucket yet. */
  async resources(backend: string): Promise<readonly StateEntry[] | undefined> {
    const list = await this.#run(backend, ["stack", "ls", "--json"]);
    if (!list.ok && NO_BACKEND.test(list.text)) return undefined;
    const stacks = JSON.parse(this.#require("stack ls", list)) as readonly { name: string }[];
    if (!stacks.some(({ name }) => name === this.#name)) return undefined;
    return (await this.#export(backend)).resources ?? [];
  }

  /** The key of AWS that encrypts the state's secrets, as a stack's file names it; undefined for a passphrase. */
  async encryption(backend: string): Promise<StackFile | undefined> {
    const { secrets_providers: provider } = await this.#export(backend);
    const { url, encryptedkey } = provider?.state ?? {};
    if (provider?.type !== "cloud" || url === undefined || encryptedkey === undefined) return undefined;
    return { secretsprovider: url, encryptedkey };
  }

  /** Makes the stack, with nothing in it. `provider`: what encrypts its secrets. */
  async init(backend: string, provider: string): Promise<void> {
    const args = ["stack", "init", this.#name, "--no-select", "--secrets-provider", provider];
    this.#require("stack init", await this.#run(backend, args));
  }

  /**
   * Brings the state from one backend to another, with its secrets encrypted by `provider` from then on. Each step is left out where it
   * is done, so that an interrupted move resumes. The first one is removed once the second one has each of its resources. Returns
   * whether anything was done.
   */
  async move(from: string, to: string, provider: string): Promise<boolean> {
    const source = from === to ? undefined : await this.resources(from);
    const before = await this.resources(to);
    if (source !== undefined && source.length > 0 && (before ?? []).length === 0) {
      if (before === undefined) await this.init(to, provider);
      const file = join(this.#directory, "state.json");
      this.#require("stack export", await this.#run(from, ["stack", "export", ...this.#stack, "--file", file]));
      this.#require("stack import", await this.#run(to, ["stack", "import", ...this.#stack, "--file", file]));
      rmSync(file);
    }
    const isEncrypted = (await this.encryption(to))?.secretsprovider === provider;
    if (!isEncrypted) {
      const change = ["stack", "change-secrets-provider", provider, ...this.#stack];
      this.#require("stack change-secrets-provider", await this.#run(to, change));
    }
    if (source === undefined) return !isEncrypted;
    const there = new Set((await this.resources(to))?.map(({ urn }) => urn));
    const missing = source.filter(({ urn }) => !there.has(urn));
    if (missing.length > 0) {
      const [first] = missing;
      const message = `The state in ${from} was kept: ${missing.length} of its resources are not in ${to}, such as ${first?.urn}.`;
      const remove = `PULUMI_BACKEND_URL=${from} pulumi stack rm ${this.#name} --force --preserve-config`;
      throw new CliError({ message, fix: `where it is an old copy: ${remove}` });
    }
    const remove = ["stack", "rm", ...this.#stack, "--force", "--yes", "--preserve-config"];
    this.#require("stack rm", await this.#run(from, remove));
    return true;
  }

  async #export(backend: string): Promise<ExportedState> {
    const text = this.#require("stack export", await this.#run(backend, ["stack", "export", ...this.#stack]));
    return (JSON.parse(text) as { deployment?: ExportedState }).deployment ?? {};
  }

  get #stack(): readonly string[] {
    return ["--stack", this.#name];
  }

  async #run(backend: string, args: readonly string[]): Promise<{ readonly ok: boolean; readonly text: string }> {
    const env = { ...this.#environment, PULUMI_BACKEND_URL: backend };
    const options = { cwd: this.#directory, env, reject: false, stdin: "ignore", timeout: 300_000 } as const;
    const { exitCode, stdout, stderr } = await execa(this.#command, [...args, "--non-interactive"], options);
    return exitCode === 0 ? { ok: true, text: stdout } : { ok: false, text: stderr };
  }

  #require(command: string, { ok, text }: { readonly ok: boolean; readonly text: string }): string {
    if (ok) return text;
    throw new CliError(`pulumi ${command} of ${this.#name}: ${reasonInOutput(text) ?? firstLine(text)}`);
  }
}
