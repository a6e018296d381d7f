import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";

/** A server that runs for as long as a test does, and what it says. */
export class Daemon {
  readonly #logFile: string;
  readonly #process: ChildProcess;

  constructor(command: string, args: readonly string[], logFile: string) {
    const log = openSync(logFile, "a");
    this.#logFile = logFile;
    this.#process = spawn(command, args, { stdio: ["ignore", log, log] });
    // A command that isn't there is reported by whoever waits for its port.
    this.#process.on("error", () => undefined);
    closeSync(log);
  }

  get log(): string {
    return readFileSync(this.#logFile, "utf8");
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.pid === undefined) return;
    this.#process.kill("SIGTERM");
    await once(this.#process, "exit");
  }
}
