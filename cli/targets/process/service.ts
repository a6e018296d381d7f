import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ReadinessPlan } from "../../../infra/plan/readiness.ts";
import type { ReadyState } from "../../../infra/readiness/probe-result.ts";
import { describeState } from "../../../infra/readiness/progress.ts";
import { CliError, EXIT } from "../../core/exit.ts";
import type { Paths } from "../../core/paths.ts";
import { isPortFree, portOwner } from "../../core/ports.ts";
import type { Progress } from "../../core/progress.ts";
import { readReadyz, waitForService } from "../../service/readyz.ts";
import { urlOf } from "../../stack/config.ts";
import { ensurePython, sourceHash } from "../../toolchain/python.ts";
import { type ProcessSettings, serviceEnvironment } from "./environment.ts";
import { identityOf, isAlive, type ProcessRecord, readRecord, stopProcess, writeRecord } from "./record.ts";

export interface Started {
  readonly record: ProcessRecord;
  readonly ready: ReadyState;
  /** False when a healthy process with the same settings was already there. */
  readonly fresh: boolean;
}

/**
 * Makes sure that the service runs as a process with these settings and is ready. A healthy process that was started
 * with the same settings and code is left alone, any other of ours is replaced.
 */
export async function startService(
  paths: Paths,
  stack: string,
  settings: ProcessSettings & { readonly readiness: ReadinessPlan },
  progress: Progress,
  signal: AbortSignal,
): Promise<Started> {
  const python = await ensurePython(paths, progress, signal);
  const env = serviceEnvironment(paths, settings);
  const fingerprint = fingerprintOf(paths, env);
  const running = readRecord(paths.processFile);
  if (running && running.fingerprint === fingerprint) {
    const state = await readReadyz(running.url, 5000, signal);
    if (state && state.phase !== "failed") return { record: running, ready: await wait(running, state), fresh: false };
  }
  // Before anything is stopped: a port that can't be had must not cost the service that runs.
  if (running?.port !== settings.port) await requirePort(settings);
  if (running) {
    progress.line(`Stopping the service that runs with other settings (pid ${running.pid}) …`);
    await stopProcess(paths.processFile, running);
  }
  await requirePort(settings);
  const record = launch();
  try {
    return { record, ready: await wait(record, null), fresh: true };
  } catch (error) {
    // What this command started and could not bring up must not go on in the background.
    if (isAlive(record)) await stopProcess(paths.processFile, record);
    throw error;
  }

  function launch(): ProcessRecord {
    mkdirSync(paths.logs, { recursive: true });
    const log = join(paths.logs, `service-${stack}.log`);
    const file = openSync(log, "w");
    const options = { cwd: paths.root, env: { ...process.env, ...env }, detached: true } as const;
    const child = spawn(python, ["-m", "image_gen", "serve"], { ...options, stdio: ["ignore", file, file] });
    closeSync(file);
    child.on("error", () => {}); // Without a pid, which is looked at below.
    child.unref();
    const identity = child.pid === undefined ? undefined : identityOf(child.pid);
    if (child.pid === undefined || !identity) throw ended(log);
    const record: ProcessRecord = {
      pid: child.pid,
      identity,
      stack,
      url: urlOf(settings),
      port: settings.port,
      model: settings.modelId,
      startedAt: new Date().toISOString(),
      log,
      fingerprint,
    };
    writeRecord(paths.processFile, record);
    progress.line(`Serving ${settings.modelId} at ${record.url} (pid ${record.pid}, log ${log})`);
    return record;
  }

  async function wait(record: ProcessRecord, first: ReadyState | null): Promise<ReadyState> {
    if (first?.phase === "ready") return first;
    try {
      return await waitForService(settings.readiness, {
        stack,
        signal,
        onState: (state) => {
          const { text, fraction } = describeState(state);
          progress.live(text, fraction);
        },
        check: () => {
          if (!isAlive(record)) throw ended(record.log);
        },
      });
    } finally {
      progress.settle();
    }
  }
}

async function requirePort(settings: ProcessSettings): Promise<void> {
  if (await isPortFree(settings.port, settings.bindAddress)) return;
  const owner = await portOwner(settings.port);
  const by = owner ? ` by ${owner}` : "";
  throw new CliError(`Port ${settings.port} is taken${by}. Fix: imagegen up --port ${settings.port + 1}`, EXIT.machine);
}

/** The error for a service that ended at its start: its last words, and where the rest is. */
function ended(log: string): CliError {
  const lines = existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : [];
  const last = lines.at(-1)?.replace(/^\[image-gen\] /, "") || "it said nothing";
  return new CliError(`The service ended while it started: ${last} (whole log: ${log})`);
}

function fingerprintOf(paths: Paths, env: Record<string, string>): string {
  const fromShell = Object.entries(process.env).filter(([name]) =>
    /^(HF_TOKEN|HF_ENDPOINT|MODEL_DIR|IMAGE_GEN_)/.test(name),
  );
  const all = JSON.stringify([sourceHash(paths), Object.entries(env).sort(), fromShell.sort()]);
  return createHash("sha256").update(all).digest("hex");
}
