import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { execa } from "execa";
import { EngineStack } from "./engine-stack.ts";
import { paths } from "./paths.ts";
import { PulumiHome } from "./pulumi-home.ts";

const PACKAGE = "picture-perfect-challenge";

/** A project of somebody else's: empty, but for the package, installed from the tarball that `npm pack` makes. */
export class LibraryProject {
  readonly #home: PulumiHome;
  readonly directory: string;

  private constructor(home: PulumiHome) {
    this.#home = home;
    this.directory = join(home.folder, "app");
  }

  /** `linked`: the tarball's dependencies are those of the checkout, which takes no minute of npm's. */
  static async install({ linked = false } = {}): Promise<LibraryProject> {
    const project = new LibraryProject(new PulumiHome("imagegen-library-"));
    mkdirSync(project.directory);
    const pack = ["pack", "--silent", "--pack-destination", project.#home.folder];
    const { stdout } = await execa("npm", pack, { cwd: paths.root });
    project.program("app", "");
    const tarball = join(project.#home.folder, basename(stdout.trim().split("\n").at(-1) ?? ""));
    if (linked) await project.#unpack(tarball);
    else await project.run("npm", "install", tarball, "--prefer-offline", "--no-audit", "--no-fund");
    return project;
  }

  async #unpack(tarball: string): Promise<void> {
    const modules = join(this.directory, "node_modules");
    const inPackage = join(modules, PACKAGE);
    mkdirSync(inPackage, { recursive: true });
    await execa("tar", ["-xzf", tarball, "-C", inPackage, "--strip-components=1"]);
    const checkout = join(paths.root, "node_modules");
    for (const name of readdirSync(checkout).filter((each) => !each.startsWith(".") && each !== PACKAGE))
      symlinkSync(join(checkout, name), join(modules, name));
  }

  /** What a command needs to find this project's stacks, and only these. */
  get environment(): Readonly<Record<string, string>> {
    return this.#home.environment;
  }

  /** Puts a JavaScript program of this name in place of the one before. */
  program(name: string, text: string): void {
    this.write("package.json", JSON.stringify({ name, private: true, type: "module", main: "index.js" }));
    this.write("Pulumi.yaml", `name: ${name}\nruntime: { name: nodejs, options: { typescript: false } }\n`);
    this.write("index.js", text);
  }

  /** Puts one of the checkout's examples in place of the program before. */
  example(name: string): void {
    cpSync(join(paths.root, "examples", name), this.directory, { recursive: true });
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.directory, file), text);
  }

  async stack(name: string, environment: Readonly<Record<string, string>> = {}): Promise<EngineStack> {
    const place = { directory: this.directory, stacks: ".", environment: { ...this.environment, ...environment } };
    return EngineStack.init(place, name);
  }

  /** A command in the project; all that it printed. Fails the test when it fails. */
  async run(command: string, ...args: string[]): Promise<string> {
    const { exitCode, all } = await this.#execute(command, args);
    if (exitCode !== 0) throw new Error(`${command} ${args.join(" ")}\n${all}`);
    return all;
  }

  /** A command that must fail; all that it printed. */
  async fails(command: string, ...args: string[]): Promise<string> {
    const { exitCode, all } = await this.#execute(command, args);
    if (exitCode === 0) throw new Error(`${command} ${args.join(" ")}\nended with 0\n${all}`);
    return all;
  }

  async #execute(command: string, args: readonly string[]) {
    return execa(command, args, { cwd: this.directory, env: this.environment, reject: false, all: true });
  }

  remove(): void {
    this.#home.remove();
  }
}
