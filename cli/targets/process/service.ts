import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isServiceVariable } from "../../../infra/config/service-variables.ts";
import type { LocalSettings } from "../../../infra/config/settings.ts";
import { LOG_PREFIX, serviceUrl } from "../../../infra/contract.ts";
import type { ReadyState } from "../../../infra/readiness/probe-result.ts";
import { commandFor } from "../../core/command-line.ts";
import type { Context } from "../../core/context.ts";
import { CliError } from "../../core/exit.ts";
import type { Paths } from "../../core/paths.ts";
import { requireFreePort } from "../../core/ports.ts";
import { probeState, waitForService } from "../../service/readiness.ts";
import { planOf } from "../../stack/model.ts";
import { ensurePython, sourceHash } from "../../toolchain/python.ts";
import { processEnvironment } from "./environment.ts";
import { identityOf, isAlive, type ProcessRecord, readRecord, stopProcess, writeRecord } from "./record.ts";

/**
 * Makes sure that the service runs as a process with these settings and is ready. A healthy process that was started
 * with the same settings and code is left alone (`fresh`: false), any other of this checkout is replaced.
 */
export async function startProcess(context: Context, settings: LocalSettings) {
  const { paths, files, progress, signal } = context;
  const { readiness } = await planOf(paths, settings);
  const python = await ensurePython(paths, progress, signal);
  const env = processEnvironment(paths, settings);
  const fingerprint = fingerprintOf(paths, env);
  const running = readRecord(paths.processFile);
  if (running && running.fingerprint === fingerprint) {
    const state = await probeState(running.url, 5000, signal);
    if (state && state.phase !== "failed") return { record: running, ready: await wait(running, state), fresh: false };
  }
  const requirePort = () =>
    requireFreePort(settings.port, {
      host: settings.bindAddress,
      fix: (next) => commandFor(files.name, `up --port ${next}`),
    });
  // Before anything is stopped: a taken port must not cost the running service.
  if (running?.port !== settings.port) await requirePort();
  if (running) {
    progress.log(`Stopping the service that runs with other settings (pid ${running.pid}) …`);
    await stopProcess(paths.processFile, running);
  }
  await requirePort();
  const record = launch();
  try {
    return { record, ready: await wait(record, null), fresh: true };
  } catch (error) {
    // A process that did not become ready must not stay in the background.
    if (isAlive(record)) await stopProcess(paths.processFile, record);
    throw error;
  }

  function launch(): ProcessRecord {
    mkdirSync(paths.logs, { recursive: true });
    const log = join(paths.logs, `service-${files.name}.log`);
    const file = openSync(log, "w");
    const options = { cwd: paths.root, env: { ...process.env, ...env }, detached: true } as const;
    const child = spawn(python, ["-m", "image_gen", "serve"], { ...options, stdio: ["ignore", file, file] });
    closeSync(file);
    child.on("error", () => {}); // Without a pid, which is looked at below.
    child.unref();
    const identity = child.pid === undefined ? undefined : identityOf(child.pid);
    if (child.pid === undefined || !identity) throw exited(log);
    const record: ProcessRecord = {
      pid: child.pid,
      identity,
      stack: files.name,
      url: serviceUrl(settings),
      port: settings.port,
      model: settings.modelId,
      startedAt: new Date().toISOString(),
      log,
      fingerprint,
    };
    writeRecord(paths.processFile, record);
    progress.log(`Serving ${settings.modelId} at ${record.url} (pid ${record.pid}, log ${log})`);
    return record;
  }

  async function wait(record: ProcessRecord, first: ReadyState | null): Promise<ReadyState> {
    if (first?.phase === "ready") return first;
    return waitForService(context, readiness, () => {
      if (!isAlive(record)) throw exited(record.log);
    });
  }
}

/** The error for a service that exited while it started: the last line of its log, and the log. */
function exited(log: string): CliError {
  const lines = existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : [];
  const last = lines.at(-1)?.replace(LOG_PREFIX, "") || "it wrote nothing";
  return new CliError(`The service exited while it started: ${last} (full log: ${log})`);
}

function fingerprintOf(paths: Paths, env: Record<string, string>): string {
  const fromShell = Object.entries(process.env).filter(([name]) => isServiceVariable(name));
  const all = JSON.stringify([sourceHash(paths), Object.entries(env).sort(), fromShell.sort()]);
  return createHash("sha256").update(all).digest("hex");
}
