import { existsSync, readFileSync } from "node:fs";
import { API_KEY_VARIABLE } from "../../../infra/contract.ts";
import { commandFor, notRunning } from "../../core/command-line.ts";
import type { Context } from "../../core/context.ts";
import { CliError, EXIT } from "../../core/exit.ts";
import { findContainer } from "../../toolchain/docker.ts";
import { venvProgram } from "../../toolchain/uv.ts";
import { localTarget } from "../local.ts";
import { processEnvironment, requireSecrets } from "./environment.ts";
import { readRecord, stopProcess } from "./record.ts";
import { startProcess } from "./service.ts";

/** A detached process of this machine, with its cache in .imagegen/data. */
export function processTarget(context: Context) {
  const { paths, files, progress } = context;
  const findRecord = () => {
    const record = readRecord(paths.processFile);
    return record?.stack === files.name ? record : undefined;
  };
  return localTarget(context, {
    mode: "process",
    needsMount: false,
    async start(settings) {
      requireSecrets(context, settings);
      const { containerName, port } = settings;
      const container = await findContainer(containerName);
      if (container?.running && container.ports.includes(port)) {
        const message = `Port ${port} is taken by the container ${containerName}.`;
        const fix = `${commandFor(files.name, "down")}, or ${commandFor(files.name, `up --port ${port + 1}`)}`;
        throw new CliError({ message, fix }, EXIT.missingPrerequisite);
      }
      const { ready, record, fresh } = await startProcess(context, settings);
      if (!fresh) progress.log(`Already running at ${record.url} (pid ${record.pid}).`);
      return ready;
    },
    async find() {
      const record = findRecord();
      return record && { url: record.url, running: true };
    },
    async apiKey() {
      const pid = findRecord()?.pid;
      return pid === undefined ? undefined : processVariable(pid, API_KEY_VARIABLE);
    },
    async runner() {
      const python = venvProgram(paths.venv, "python");
      const env = processEnvironment(paths, files.lastSettings("local"));
      if (existsSync(python)) return { file: python, args: ["-m", "image_gen"], env };
      throw notRunning(files.name, `The stack ${files.name} has no cache on this machine.`);
    },
    async restart() {
      const record = findRecord();
      if (!record) return false;
      await stopProcess(paths.processFile, record);
      await startProcess(context, files.lastSettings("local"));
      return true;
    },
  });
}

/** A variable of a running process, where the system shows it to the process's owner. */
function processVariable(pid: number, variable: string): string | undefined {
  try {
    const pairs = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    return pairs.find((pair) => pair.startsWith(`${variable}=`))?.slice(variable.length + 1) || undefined;
  } catch {
    return undefined;
  }
}
