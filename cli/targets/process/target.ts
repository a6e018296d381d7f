import { existsSync } from "node:fs";
import { API_KEY_VARIABLE, HOST_CACHE_VARIABLE } from "../../../infra/contract.ts";
import { commandFor, notRunning, readerEnvironment } from "../../core/command-line.ts";
import type { Context } from "../../core/context.ts";
import { CliError, EXIT } from "../../core/exit.ts";
import { findContainerIfReachable } from "../../toolchain/docker.ts";
import { venvProgram } from "../../toolchain/uv.ts";
import { localTarget } from "../local.ts";
import { environmentOf } from "./environ.ts";
import { processEnvironment, requireSecrets } from "./environment.ts";
import { readRecord } from "./record.ts";
import { earlierProcess, restartProcess, startProcess } from "./service.ts";

/**
 * A detached process of this machine, with its cache in .imagegen/data. `wasStarted`: false for a stack that was never started
 * anywhere; what is in that folder is another stack's.
 */
export function processTarget(context: Context, { wasStarted = true } = {}) {
  const { paths, files, progress } = context;
  const last = files.lastMode();
  return localTarget(context, {
    mode: "process",
    needsMount: false,
    hasCache: wasStarted,
    earlier: () => earlierProcess(context),
    async start(settings) {
      requireSecrets(context, settings);
      const { containerName, port } = settings;
      const container = await findContainerIfReachable(containerName);
      if (container?.running && (container.ports.includes(port) || last === "docker")) {
        const message = `The container ${containerName} runs${container.ports.includes(port) ? ` on port ${port}` : ""}.`;
        const fix = `${commandFor(files.name, "down")}, or ${commandFor(files.name, `up --port ${port + 1}`)}`;
        throw new CliError({ message, fix }, EXIT.missingPrerequisite);
      }
      const { ready, record, fresh } = await startProcess(context, settings);
      if (!fresh) progress.log(`Already running at ${record.url} (pid ${record.pid}).`);
      return ready;
    },
    async find() {
      const record = readRecord(paths, files.name);
      return record && { url: record.url, running: true, pid: record.pid };
    },
    async apiKey() {
      const record = readRecord(paths, files.name);
      return (record && environmentOf(record.pid)?.[API_KEY_VARIABLE]) || undefined;
    },
    hostCache: () => processEnvironment(paths, files.lastSettings("local"))[HOST_CACHE_VARIABLE],
    async runner() {
      const python = venvProgram(paths.venv, "python");
      const env = { ...processEnvironment(paths, files.lastSettings("local")), ...readerEnvironment(files.name) };
      if (wasStarted && existsSync(python)) return { file: python, args: ["-m", "image_gen"], env };
      throw notRunning(files.name, `The stack ${files.name} has no cache on this machine.`);
    },
    restart: (options) => restartProcess(context, options),
  });
}
