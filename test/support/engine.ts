import { randomInt } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { EngineStack } from "./engine-stack.ts";
import { paths } from "./paths.ts";
import { PulumiHome } from "./pulumi-home.ts";

/** What the program needs of the checkout; a copy of it is a project of its own. */
const PROGRAM = ["Pulumi.yaml", "package.json", "infra", "stacks", "policy", "scripts"];
const CONTEXT = ["Dockerfile", ".dockerignore", "pyproject.toml", "requirements.lock", "src", "models", "docker"];
const PROJECT_NAME = "Picture-Perfect-Challenge";

/** A copy of the checkout's program in a folder of its own, with a state of its own: no test writes into the checkout. */
export class TestProject {
  readonly directory: string;
  readonly #home: PulumiHome;
  readonly #stacks = new Set<string>();

  /**
   * `stub`: instead of image-gen, a service of a few lines that does what its model's name says. `program`: a folder whose
   * program is taken instead of the checkout's.
   */
  constructor(service: "image-gen" | "stub", program?: string) {
    this.#home = new PulumiHome("imagegen-engine-");
    this.directory = join(this.#home.folder, "project");
    mkdirSync(join(this.directory, "image-gen"), { recursive: true });
    if (program) this.#copy(program, this.directory);
    else for (const name of PROGRAM) this.#copy(join(paths.root, name), join(this.directory, name));
    symlinkSync(join(paths.root, "node_modules"), join(this.directory, "node_modules"));
    const context = service === "stub" ? join(paths.root, "test/support/stub-service") : paths.imageGen;
    for (const name of CONTEXT) {
      if (existsSync(join(context, name))) this.#copy(join(context, name), join(this.directory, "image-gen", name));
    }
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
    return this.#home.environment;
  }

  #copy(from: string, to: string): void {
    cpSync(from, to, { recursive: true, filter: (path) => !path.includes("__pycache__") });
  }

  /** The stack of that name, made by its first use; `config` is set, and what was set before stays. */
  async stack(
    name: string,
    config: Readonly<Record<string, string>> = {},
    environment: Readonly<Record<string, string>> = {},
  ): Promise<EngineStack> {
    const stacks = existsSync(join(this.directory, "stacks")) ? "stacks" : ".";
    const place = { directory: this.directory, stacks, environment: { ...this.environment, ...environment } };
    const stack = this.#stacks.has(name) ? new EngineStack(place, name) : await EngineStack.init(place, name);
    this.#stacks.add(name);
    await stack.set(config);
    return stack;
  }

  /** A file of the copy's build context, to change the code. */
  write(path: string, content: string): void {
    writeFileSync(join(this.directory, path), content);
  }

  /** The states of all stacks, as they are stored. */
  async storedState(): Promise<string> {
    const folder = join(this.#home.folder, "state", ".pulumi", "stacks", PROJECT_NAME);
    const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
    return files.map((file) => readFileSync(join(folder, file), "utf8")).join("\n");
  }

  remove(): void {
    this.#home.remove();
  }
}

/**
 * A port that nothing on this machine listens on; below those that the system gives to outgoing connections, so that nobody else is
 * given it before it is used, and above those of image-gen/tests/free_port.py.
 */
export async function freePort(): Promise<number> {
  const port = randomInt(26_000, 32_000);
  const free = await new Promise<boolean>((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
  return free ? port : freePort();
}
