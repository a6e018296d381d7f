import { existsSync } from "node:fs";
import type { LocalSettings } from "../../../infra/config/settings.ts";
import type { ReadyState } from "../../../infra/readiness/probe-result.ts";
import { commandFor } from "../../core/command-line.ts";
import { CliError, EXIT } from "../../core/exit.ts";
import { findContainer } from "../../toolchain/docker.ts";
import { venvProgram } from "../../toolchain/uv.ts";
import { LocalTarget, type Place, type Runner } from "../local.ts";
import { processEnvironment } from "./environment.ts";
import { type ProcessRecord, readRecord, stopProcess } from "./record.ts";
import { startService } from "./service.ts";

/** A detached process of this machine, with its cache in .imagegen/data. */
export class ProcessTarget extends LocalTarget {
  readonly mode = "process";
  protected readonly needsMount = false;

  get #record(): ProcessRecord | undefined {
    const record = readRecord(this.context.paths.processFile);
    return record?.stack === this.context.files.name ? record : undefined;
  }

  protected async start(settings: LocalSettings): Promise<ReadyState> {
    const { progress, files } = this.context;
    const { containerName, port } = settings;
    const container = await findContainer(containerName);
    if (container?.running && container.ports.includes(port)) {
      const message = `Port ${port} is taken by the container ${containerName}.`;
      const fix = `${commandFor(files.name, "down")}, or ${commandFor(files.name, `up --port ${port + 1}`)}`;
      throw new CliError({ message, fix }, EXIT.missingPrerequisite);
    }
    const { ready, record, fresh } = await startService(this.context, settings);
    if (!fresh) progress.log(`Already running at ${record.url} (pid ${record.pid}).`);
    return ready;
  }

  protected async find(): Promise<Place | undefined> {
    const record = this.#record;
    return record && { url: record.url, running: true };
  }

  protected async runner(): Promise<Runner> {
    const { paths, files } = this.context;
    const python = venvProgram(paths.venv, "python");
    if (existsSync(python))
      return { file: python, args: ["-m", "image_gen"], env: processEnvironment(paths, this.settings) };
    const message = `The stack ${files.name} has no cache on this machine.`;
    throw new CliError({ message, fix: commandFor(files.name, "up") }, EXIT.notRunning);
  }

  async restart(): Promise<boolean> {
    const record = this.#record;
    if (!record) return false;
    await stopProcess(this.context.paths.processFile, record);
    await startService(this.context, this.settings);
    return true;
  }
}
