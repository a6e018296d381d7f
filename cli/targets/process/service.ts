import { type SpawnOptions, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { LocalSettings } from "../../../infra/config/settings.ts";
import { API_KEY_VARIABLE, HOST_CACHE_VARIABLE, serviceUrl } from "../../../infra/contract.ts";
import { detectGpu } from "../../../infra/io/local-gpu.ts";
import type { ReadinessPlan } from "../../../infra/plan/readiness.ts";
import { modelPath } from "../../../infra/plan/service-environment.ts";
import type { ReadyState } from "../../../infra/readiness/probe-result.ts";
import { commandFor, readerEnvironment } from "../../core/command-line.ts";
import type { Context } from "../../core/context.ts";
import { CliError, EXIT } from "../../core/exit.ts";
import { identityOf } from "../../core/process-identity.ts";
import { probeState, RETRY_MS, waitForService } from "../../service/readiness.ts";
import { planOf } from "../../stack/model.ts";
import { ensurePython, sourceHash } from "../../toolchain/python.ts";
import { venvProgram } from "../../toolchain/uv.ts";
import type { EarlierService } from "../earlier.ts";
import { requirePort } from "../port.ts";
import type { RestartOptions, RestartResult } from "../target.ts";
import { environmentOf } from "./environ.ts";
import { processEnvironment } from "./environment.ts";
import { describeDifference, fingerprintOf, fingerprintParts, withCodeOf } from "./fingerprint.ts";
import { lastWords, logSize, serviceLog } from "./log-file.ts";
import { isAlive, type ProcessRecord, readRecord, stopProcess, writeRecord } from "./record.ts";

/** All that a process is started with. */
interface Launch {
  readonly env: NodeJS.ProcessEnv;
  readonly readiness: ReadinessPlan;
  readonly record: Pick<ProcessRecord, "url" | "port" | "model" | "fingerprint" | "parts">;
}

/**
 * Makes sure that the service runs as a process with these settings and is ready. A healthy process that was started
 * with the same settings and code is left alone (`fresh`: false), any other of this stack is replaced.
 */
export async function startProcess(context: Context, settings: LocalSettings) {
  const { paths, files, progress, signal } = context;
  const { torchIndex } = settings;
  const indexHint = commandFor(files.name, "up --config torchIndex=cpu");
  await ensurePython(paths, { torchIndex, hasGpu: detectGpu().hasGpu, indexHint }, progress, signal);
  const launch = await launchOf(context, settings);
  const running = readRecord(paths, files.name);
  if (running && running.fingerprint === launch.record.fingerprint) {
    const ready = await continueProcess(context, running, launch);
    if (ready) return { record: running, ready, fresh: false };
  }
  // Before anything is stopped: a taken port must not cost the running service.
  if (running?.port !== settings.port) await requirePort(context, settings);
  if (running) {
    const why = describeDifference(running, launch.record.parts ?? {});
    progress.log(`Stopping the service that runs with ${why} (pid ${running.pid}) …`);
    await stopProcess(paths, running);
    await requirePort(context, settings);
  }
  return { ...(await spawnService(context, launch)), fresh: true };
}

/** Stops the stack's process and starts it with what it was started with; undefined when none runs. */
export async function restartProcess(context: Context, { wait }: RestartOptions): Promise<RestartResult | undefined> {
  const { paths, files, progress } = context;
  const record = readRecord(paths, files.name);
  if (!record) return undefined;
  const launch = await relaunchOf(context, record);
  // Before anything is stopped.
  requireSameKey(context, record, launch);
  progress.log(`Stopping the process ${record.pid} …`);
  await stopProcess(paths, record);
  if (wait) return { ready: (await spawnService(context, launch, { keepOnInterrupt: true })).ready };
  beginProcess(context, launch);
  return { ready: null };
}

/** The stack's process, if it works; undefined when there is none, or it has failed. */
export async function earlierProcess(context: Context): Promise<EarlierService | undefined> {
  const { paths, files, signal } = context;
  const record = readRecord(paths, files.name);
  const state = record && (await probeState(record.url, 5000, signal));
  if (!record || !state || state.phase === "failed") return undefined;
  const launch = await relaunchOf(context, record);
  return {
    model: state.model ?? record.model,
    url: record.url,
    fix: commandFor(files.name, "up"),
    isRunning: async () => isAlive(record),
    async resume({ wait }) {
      requireSameKey(context, record, launch);
      if (wait) await spawnService(context, launch);
      else beginProcess(context, launch);
    },
  };
}

/**
 * What starts a running process again as it is: the environment that it was really started with, where the system tells, and
 * not that of this shell, which may have no key, token or choice of a GPU. Elsewhere its last settings in this shell.
 */
async function relaunchOf(context: Context, record: ProcessRecord): Promise<Launch> {
  const launch = await launchOf(context, context.files.lastSettings("local"));
  const env = environmentOf(record.pid);
  if (!env) return launch;
  const { parts, fingerprint, url, port, model } = record;
  const now = parts && withCodeOf(parts, launch.record.parts);
  return {
    env: { ...env, ...readerEnvironment(context.files.name) },
    readiness: launch.readiness,
    record: { url, port, model, ...(now ? { parts: now, fingerprint: fingerprintOf(now) } : { fingerprint }) },
  };
}

/** Without the key that it asks its clients for, a service would answer everybody. */
function requireSameKey({ files }: Pick<Context, "files">, { parts }: ProcessRecord, { record }: Launch): void {
  const before = parts?.[API_KEY_VARIABLE];
  if (before === undefined || before === record.parts?.[API_KEY_VARIABLE]) return;
  const message = `The service of the stack ${files.name} asks its clients for an API key, and this shell has ${record.parts?.[API_KEY_VARIABLE] ? "another" : "none"}.`;
  throw new CliError({ message, fix: `export ${API_KEY_VARIABLE}=…` }, EXIT.usage);
}

async function launchOf({ paths, files }: Context, settings: LocalSettings): Promise<Launch> {
  const { readiness } = await planOf(paths, settings);
  const own = processEnvironment(paths, settings);
  const parts = fingerprintParts(own, process.env, sourceHash(paths));
  const url = serviceUrl(settings);
  return {
    // Not a part of the fingerprint: it changes nothing but messages.
    env: { ...process.env, ...own, ...readerEnvironment(files.name) },
    readiness,
    record: {
      url,
      port: settings.port,
      model: settings.modelDir ?? modelPath(settings) ?? settings.modelId,
      fingerprint: fingerprintOf(parts),
      parts,
    },
  };
}

/** The state of a process with the present settings once it is ready; undefined when it has to be started afresh. */
async function continueProcess(
  context: Context,
  record: ProcessRecord,
  { readiness }: Launch,
): Promise<ReadyState | undefined> {
  const state = await probeState(record.url, 5000, context.signal);
  if (state?.phase === "ready") return state;
  if (!state || (state.phase === "failed" && !state.retries_on_sighup)) return undefined;
  if (state.phase === "failed") {
    context.progress.log(`The service has failed: ${state.error?.message ?? "no reason"}. Retrying …`);
    process.kill(record.pid, "SIGHUP");
    await sleep(RETRY_MS);
  }
  return waitForService(context, readiness, requireAlive(record, 0));
}

/** Starts a detached process and waits until it is ready. One that does not become ready is stopped. */
async function spawnService(context: Context, launch: Launch, { keepOnInterrupt = false } = {}) {
  const { record, logFrom } = beginProcess(context, launch);
  try {
    return { record, ready: await waitForService(context, launch.readiness, requireAlive(record, logFrom)) };
  } catch (error) {
    // What ran before a restart is to run after it.
    if (keepOnInterrupt && context.signal.aborted && isAlive(record)) throw error;
    // A process that did not become ready must not stay in the background.
    if (isAlive(record)) await stopProcess(context.paths, record);
    if (context.signal.aborted)
      throw new CliError("interrupted; the process that was starting was stopped.", EXIT.interrupted);
    throw error;
  }
}

/** Starts a detached process. `logFrom`: the byte of its log that it began at. */
function beginProcess({ paths, files, progress }: Context, launch: Launch) {
  const log = serviceLog(paths, files.name);
  const logFrom = logSize(log);
  const file = openSync(log, "a");
  const options: SpawnOptions = { cwd: paths.root, env: launch.env, detached: true, stdio: ["ignore", file, file] };
  const child = spawn(venvProgram(paths.venv, "python"), ["-m", "image_gen", "serve"], options);
  closeSync(file);
  child.on("error", () => {}); // Without a pid, which is looked at below.
  child.unref();
  const identity = child.pid === undefined ? undefined : identityOf(child.pid);
  if (child.pid === undefined || !identity) throw exited(log, logFrom);
  const startedAt = new Date().toISOString();
  const record = { ...launch.record, pid: child.pid, identity, stack: files.name, startedAt, log };
  writeRecord(paths, record);
  const hostCache = launch.env[HOST_CACHE_VARIABLE];
  if (hostCache) progress.log(`Models in ${hostCache} are read from there, and nothing is written to it.`);
  progress.log(`Serving ${record.model} at ${record.url} (pid ${record.pid}, log ${log})`);
  return { record, logFrom };
}

function requireAlive(record: ProcessRecord, from: number): () => void {
  return () => {
    if (!isAlive(record)) throw exited(record.log, from);
  };
}

/** The error for a service that exited while it started: the last line that it wrote, and the log. */
function exited(log: string, from: number): CliError {
  return new CliError(`The service exited while it started: ${lastWords(log, from)} (full log: ${log})`);
}
