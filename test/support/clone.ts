import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { dockerIfPossible, removeImages } from "./docker.ts";
import { paths } from "./paths.ts";

/** How a command of the clone ended. */
export interface Ended {
  exitCode: number;
  stdout: string;
  /** Progress and errors, as a user sees them. */
  stderr: string;
  seconds: number;
}

/** A fresh clone of the checkout's last commit, in a path with a space, used as the README says. */
export class Clone {
  readonly directory: string;
  readonly #parent: string;

  constructor() {
    this.#parent = mkdtempSync(join(tmpdir(), "imagegen-clone-"));
    this.directory = join(this.#parent, "a clone");
  }

  async make(): Promise<void> {
    await execa("git", ["clone", "--quiet", "--no-hardlinks", paths.root, this.directory]);
  }

  /** `npm start -- …`. */
  async start(...args: string[]): Promise<Ended> {
    return this.#npm(["start", "--silent", "--", ...args]);
  }

  /** `npm run imagegen -- …`. */
  async imagegen(...args: string[]): Promise<Ended> {
    return this.#npm(["run", "--silent", "imagegen", "--", ...args]);
  }

  /** The same, with other variables. */
  async imagegenIn(env: Readonly<Record<string, string>>, ...args: string[]): Promise<Ended> {
    return this.#npm(["run", "--silent", "imagegen", "--", ...args], env);
  }

  async gitStatus(): Promise<string> {
    return (await execa("git", ["status", "--porcelain"], { cwd: this.directory })).stdout;
  }

  /** Takes the clone's stack of that name away, with its container, volume and images, and then the clone. */
  async removeWithStack(name: string): Promise<void> {
    await this.imagegen("down", "--delete-cache", "--yes");
    await dockerIfPossible("rm", "-f", name);
    await dockerIfPossible("volume", "rm", name);
    await removeImages(name);
    this.remove();
  }

  remove(): void {
    rmSync(this.#parent, { recursive: true, force: true });
  }

  async #npm(args: string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    const started = performance.now();
    const result = await execa("npm", args, { cwd: this.directory, reject: false, stdin: "ignore", env });
    const seconds = (performance.now() - started) / 1000;
    // Without an exit code, execa's own message tells why: a signal, say.
    const stderr = result.exitCode === undefined ? `${result.stderr}\n${result.shortMessage}` : result.stderr;
    return { exitCode: result.exitCode ?? -1, stdout: result.stdout, stderr, seconds };
  }
}

/** The result, when it succeeded; else the test fails with all that a user would have seen. */
export function done(ended: Ended): Ended {
  if (ended.exitCode !== 0) throw new Error(`exit code ${ended.exitCode}\n${ended.stdout}\n${ended.stderr}`);
  return ended;
}
