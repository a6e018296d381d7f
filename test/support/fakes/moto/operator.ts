import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { paths } from "../../paths.ts";
import type { AwsApi } from "./aws-api.ts";

const COPIED = ["cli", "infra", "stacks", "scripts/ci", "package.json", "Pulumi.yaml"];
const CONTEXT = ["Dockerfile", ".dockerignore", "pyproject.toml", "requirements.lock", "src", "models", "docker"];

/**
 * A checkout of an operator: the real `imagegen`, and on its PATH programs that stand for Pulumi (tells the state that a
 * test sets), for Docker, for `docker` on the host and for AWS's own tools.
 */
export class Operator {
  readonly directory = mkdtempSync(join(tmpdir(), "imagegen-operator-"));
  readonly bin = join(this.directory, "bin");
  readonly #host = join(this.directory, "host");
  readonly #api: AwsApi;

  readonly #environment: Readonly<Record<string, string>>;

  /** `engine`: the real Pulumi, with this in its environment; without it, one that only tells the state. */
  constructor(api: AwsApi, engine?: Readonly<Record<string, string>>) {
    this.#api = api;
    this.#environment = { ...(engine ?? { PULUMI_BACKEND_URL: "file:///nowhere" }), ...api.environment };
    for (const name of COPIED) cpSync(join(paths.root, name), join(this.directory, name), { recursive: true });
    symlinkSync(join(paths.root, "node_modules"), join(this.directory, "node_modules"));
    mkdirSync(join(this.directory, "image-gen"));
    for (const name of CONTEXT)
      cpSync(join(paths.imageGen, name), join(this.directory, "image-gen", name), { recursive: true });
    mkdirSync(this.bin);
    mkdirSync(this.#host);
    mkdirSync(join(this.directory, "run"));
    // An engine that answers and has no disk of this machine; nothing is built by it.
    this.docker('{"ServerVersion":"28.0.0","DockerRootDir":""}');
    if (engine) return;
    const state = join(this.directory, "state.json");
    this.state({});
    this.program(
      "pulumi",
      `case "$1" in version) echo v3.999.0;; stack) [ -s ${state} ] && cat ${state} || { echo "error: no stack named 'aws-volume' found" >&2; exit 255; };; up) echo "error: not here" >&2; exit 255;; esac`,
    );
  }

  /** Pulumi knows no such stack. */
  noState(): void {
    writeFileSync(join(this.directory, "state.json"), "");
  }

  /** What the last `up` is to have left in Pulumi's state: the outputs, and resources beside the stack itself. */
  state(outputs: Readonly<Record<string, unknown>>, resources: readonly object[] = []): void {
    const stack = { urn: "urn:pulumi:aws-volume::p::pulumi:pulumi:Stack::p", type: "pulumi:pulumi:Stack", outputs };
    const exported = { version: 3, deployment: { resources: [stack, ...resources] } };
    writeFileSync(join(this.directory, "state.json"), JSON.stringify(exported));
  }

  /** A program of that name, first on the operator's PATH. */
  program(name: string, script: string): void {
    writeProgram(join(this.bin, name), script);
  }

  /** Docker with buildx, whose engine tells this of itself; with an exit code, none that answers. */
  docker(info: string, exitCode = 0): void {
    const answer = `echo '${info}' ${exitCode === 0 ? "" : ">&2"}; exit ${exitCode}`;
    this.program("docker", `case "$1" in info) ${answer};; esac`);
  }

  /** A program of that name on the host. */
  hostProgram(name: string, script: string): void {
    writeProgram(join(this.#host, name), script);
  }

  /** The host takes commands from now on. */
  hostAnswers(): void {
    this.#api.host = { path: `${this.#host}:/usr/bin:/bin`, run: join(this.directory, "run") };
  }

  stackFile(stack = "aws-volume"): string {
    return readFileSync(join(this.directory, "stacks", `Pulumi.${stack}.yaml`), "utf8");
  }

  restoreStackFile(stack = "aws-volume"): void {
    const name = join("stacks", `Pulumi.${stack}.yaml`);
    cpSync(join(paths.root, name), join(this.directory, name));
  }

  /** A stack beside aws-volume, with the same file and these keys. */
  addStack(name: string, config: Readonly<Record<string, string>> = {}): void {
    const keys = Object.entries(config).map(([key, value]) => `  Picture-Perfect-Challenge:${key}: ${value}\n`);
    const file = readFileSync(join(paths.root, "stacks/Pulumi.aws-volume.yaml"), "utf8");
    writeFileSync(join(this.directory, "stacks", `Pulumi.${name}.yaml`), file + keys.join(""));
  }

  /** A running `imagegen`, to be ended by a signal. */
  imagegen(...args: string[]) {
    return this.imagegenOf("aws-volume", ...args);
  }

  imagegenOf(stack: string, ...args: string[]) {
    return this.imagegenWith({}, stack, ...args);
  }

  /** With this besides in its environment. */
  imagegenWith(env: Readonly<Record<string, string>>, stack: string, ...args: string[]) {
    const all = [join(this.directory, "cli/main.ts"), "--stack", stack, ...args];
    const options = { cwd: this.directory, env: { ...this.#env, ...env }, reject: false, timeout: 300_000 } as const;
    return execa(process.execPath, all, options);
  }

  /** The real Pulumi, on the state of this checkout. */
  pulumi(...args: string[]) {
    return this.pulumiWith({}, ...args);
  }

  /** With this besides in its environment. */
  pulumiWith(env: Readonly<Record<string, string>>, ...args: string[]) {
    const all = { ...this.#env, ...this.#state, ...env };
    return execa("pulumi", args, { cwd: this.directory, env: all, reject: false });
  }

  get #env() {
    return { ...this.#environment, PATH: `${this.bin}:${process.env.PATH}` };
  }

  get #state() {
    const folder = join(this.directory, ".imagegen");
    return {
      PULUMI_BACKEND_URL: `file://${join(folder, "state")}`,
      PULUMI_CONFIG_PASSPHRASE_FILE: join(folder, "passphrase"),
    };
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }
}

function writeProgram(file: string, script: string): void {
  writeFileSync(file, `#!/bin/bash\n${script}\n`);
  chmodSync(file, 0o755);
}
