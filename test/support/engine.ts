import { randomInt } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type EngineEvent, LocalWorkspace, type OutputMap, type Stack } from "@pulumi/pulumi/automation/index.js";
import { onPath } from "../../cli/core/on-path.ts";
import { hasLogin } from "../../infra/config/login.ts";
import { SECRET_KEYS } from "../../infra/config/schema.ts";
import { ADDRESS_KEYS } from "../../infra/plan/image.ts";
import { paths } from "./paths.ts";

/** What the program needs of the checkout; a copy of it is a project of its own. */
const PROGRAM = ["Pulumi.yaml", "package.json", "infra", "stacks", "policy", "scripts"];
const CONTEXT = ["Dockerfile", ".dockerignore", "pyproject.toml", "requirements.lock", "src", "models", "docker"];
const NAMESPACE = "Picture-Perfect-Challenge";

/** What one run of the real engine did. */
export interface Run {
  readonly ok: boolean;
  /** All that a user would see. */
  readonly text: string;
  /** `create docker:index/container:Container`, for every resource that did not stay the same. */
  readonly changes: readonly string[];
  readonly outputs: OutputMap;
  readonly seconds: number;
  /** From the engine's start to the last resource that the program registered. */
  readonly programSeconds: number;
}

/** A copy of the checkout's program in a folder of its own, with a state of its own: no test writes into the checkout. */
export class TestProject {
  readonly directory: string;
  readonly #home: string;

  /**
   * `stub`: instead of image-gen, a service of a few lines that does what its model's name says. `program`: a folder whose
   * program is taken instead of the checkout's.
   */
  constructor(service: "image-gen" | "stub", program?: string) {
    this.#home = mkdtempSync(join(tmpdir(), "imagegen-engine-"));
    this.directory = join(this.#home, "project");
    mkdirSync(join(this.directory, "image-gen"), { recursive: true });
    if (program) this.#copy(program, this.directory);
    else for (const name of PROGRAM) this.#copy(join(paths.root, name), join(this.directory, name));
    symlinkSync(join(paths.root, "node_modules"), join(this.directory, "node_modules"));
    const context = service === "stub" ? join(paths.root, "test/support/stub-service") : paths.imageGen;
    for (const name of CONTEXT) {
      if (existsSync(join(context, name))) this.#copy(join(context, name), join(this.directory, "image-gen", name));
    }
    mkdirSync(join(this.#home, "state"));
    mkdirSync(join(this.#home, "pulumi"));
    const plugins = join(process.env.PULUMI_HOME ?? join(homedir(), ".pulumi"), "plugins");
    if (existsSync(plugins)) symlinkSync(plugins, join(this.#home, "pulumi", "plugins"));
  }

  /** Puts the checkout's program in place of the one that the project was made with; the stacks' own files stay. */
  useCheckout(): void {
    for (const name of PROGRAM.filter((each) => each !== "stacks")) {
      rmSync(join(this.directory, name), { recursive: true, force: true });
      this.#copy(join(paths.root, name), join(this.directory, name));
    }
  }

  /** What a command needs to find this project's stacks, and only these. */
  get environment(): Readonly<Record<string, string>> {
    return {
      PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ""}`,
      PULUMI_HOME: join(this.#home, "pulumi"),
      PULUMI_BACKEND_URL: `file://${join(this.#home, "state")}`,
      PULUMI_CONFIG_PASSPHRASE: "of this test",
      PULUMI_SKIP_UPDATE_CHECK: "true",
      // A machine with plugins of its own is not asked to download the others, which takes seconds before each run.
      ...(onPath("pulumi-resource-docker") ? { PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true" } : {}),
    };
  }

  #copy(from: string, to: string): void {
    cpSync(from, to, { recursive: true, filter: (path) => !path.includes("__pycache__") });
  }

  async stack(
    name: string,
    config: Readonly<Record<string, string>>,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<TestStack> {
    const stack = await LocalWorkspace.createOrSelectStack(
      { workDir: this.directory, stackName: name },
      {
        pulumiHome: join(this.#home, "pulumi"),
        envVars: { ...this.environment, ...environment },
      },
    );
    const made = new TestStack(stack);
    if (Object.keys(config).length > 0) await made.set(config);
    return made;
  }

  /** A file of the copy's build context, to change the code. */
  write(path: string, content: string): void {
    writeFileSync(join(this.directory, path), content);
  }

  /** The states of all stacks, as they are stored. */
  async storedState(): Promise<string> {
    const folder = join(this.#home, "state", ".pulumi", "stacks", NAMESPACE);
    const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
    return files.map((file) => readFileSync(join(folder, file), "utf8")).join("\n");
  }

  remove(): void {
    rmSync(this.#home, { recursive: true, force: true });
  }
}

/** An address is a secret by its password alone. */
const isSecret = (key: string, value: string) => !ADDRESS_KEYS.some((each) => each === key) || hasLogin(value);

/** One stack of a test project, driven through the real CLI. */
export class TestStack {
  readonly #stack: Stack;

  constructor(stack: Stack) {
    this.#stack = stack;
  }

  async set(config: Readonly<Record<string, string>>): Promise<void> {
    const values = Object.entries(config).map(([key, value]) => [
      `${NAMESPACE}:${key}`,
      { value, secret: SECRET_KEYS.some((each) => each === key) && isSecret(key, value) },
    ]);
    await this.#stack.setAllConfig(Object.fromEntries(values));
  }

  async setPlain(key: string, value: string): Promise<void> {
    await this.#stack.setConfig(`${NAMESPACE}:${key}`, { value, secret: false });
  }

  async unset(...keys: string[]): Promise<void> {
    for (const key of keys) await this.#stack.removeConfig(`${NAMESPACE}:${key}`);
  }

  async up(options: { expectNoChanges?: boolean; refresh?: boolean } = {}): Promise<Run> {
    return this.#run((hooks) => this.#stack.up({ ...hooks, ...options }));
  }

  async preview(options: { expectNoChanges?: boolean; policyPacks?: string[] } = {}): Promise<Run> {
    return this.#run((hooks) => this.#stack.preview({ ...hooks, ...options }));
  }

  async destroy(): Promise<Run> {
    return this.#run((hooks) => this.#stack.destroy(hooks));
  }

  async #run(operation: (hooks: Hooks) => Promise<object>): Promise<Run> {
    const texts: string[] = [];
    const changes: string[] = [];
    const started = performance.now();
    let lastResource = started;
    const hooks: Hooks = {
      color: "never",
      onOutput: (text) => texts.push(text),
      onError: (text) => texts.push(text),
      onEvent: ({ resourcePreEvent }) => {
        if (!resourcePreEvent) return;
        lastResource = performance.now();
        const { op, type } = resourcePreEvent.metadata;
        if (op !== "same" && type !== "pulumi:pulumi:Stack") changes.push(`${op} ${type}`);
      },
    };
    let ok = true;
    let outputs: OutputMap = {};
    try {
      const result = await operation(hooks);
      if ("outputs" in result) outputs = result.outputs as OutputMap;
    } catch (error) {
      ok = false;
      texts.push(String(error));
    }
    return {
      ok,
      text: texts.join(""),
      changes: changes.filter((change) => !change.includes("imagegen:") && !change.includes("pulumi:providers:")),
      outputs,
      seconds: (performance.now() - started) / 1000,
      programSeconds: (lastResource - started) / 1000,
    };
  }
}

interface Hooks {
  readonly color: "never";
  readonly onOutput: (text: string) => void;
  readonly onError: (text: string) => void;
  readonly onEvent: (event: EngineEvent) => void;
}

/**
 * A port that nothing on this machine listens on; below those that the system gives to outgoing connections, so that nobody else is
 * given it before it is used.
 */
export async function freePort(): Promise<number> {
  const port = randomInt(20_000, 32_000);
  const free = await new Promise<boolean>((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
  return free ? port : freePort();
}
