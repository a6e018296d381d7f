import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { ReadinessDeps } from "../readiness/poller.ts";
import { type ProbeResult, parseReadyState } from "../readiness/probe-result.ts";
import { lineReporter } from "../readiness/progress.ts";
import { httpRequest } from "./http-request.ts";

/** A loading model leaves little time to respond. */
const RESPONSE_TIMEOUT_MS = 10_000;

/** The real clock and network. `log` gets the progress as lines. */
export function systemDeps(log: (line: string) => void): ReadinessDeps {
  return {
    probe: probeService,
    now: () => performance.now() / 1000,
    sleep: async (seconds) => sleep(seconds * 1000),
    onProgress: lineReporter(log),
  };
}

/** One request to `/readyz`; a body that is not JSON counts as a response without one. */
export async function probeService(
  readyUrl: string,
  { timeoutMs = RESPONSE_TIMEOUT_MS, signal }: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {},
): Promise<ProbeResult> {
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const both = signal ? AbortSignal.any([timeout, signal]) : timeout;
    const { status, body } = await httpRequest(readyUrl, { signal: both });
    return { kind: "response", status, state: parseReadyState(parseJson(body)) };
  } catch (error) {
    signal?.throwIfAborted();
    if (timeout.aborted) return { kind: "no-response", reason: `nothing within ${timeoutMs / 1000} s` };
    const { code, message } = error as NodeJS.ErrnoException;
    return { kind: "no-response", reason: code ?? message };
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const run = promisify(execFile);
const EVENTS_TIMEOUT_MS = 5_000;

/** What `docker inspect` says of a container, as far as it is read here. */
interface ContainerState {
  readonly Id: string;
  readonly State: { readonly Status: string; readonly ExitCode: number; readonly OOMKilled: boolean };
  readonly RestartCount: number;
}

/**
 * The container's state and last log lines, by the `docker` command: the provider's own `getLogs` ends the provider on
 * lines of some lengths. Empty when the command fails.
 */
export async function containerReport(containerName: string): Promise<readonly string[]> {
  try {
    const inspected = await run("docker", ["inspect", "--type", "container", "--format", "{{json .}}", containerName]);
    const state = await stateOf(JSON.parse(inspected.stdout) as ContainerState);
    const logs = await run("docker", ["logs", "--tail", "20", containerName]);
    const lines = `${logs.stdout}${logs.stderr}`.split("\n").filter((line) => line.trim() !== "");
    return [`container ${containerName}: ${state}`, ...lines.slice(-20)];
  } catch {
    return [];
  }
}

async function stateOf({ Id, State, RestartCount }: ContainerState): Promise<string> {
  const restarts = `restarted ${RestartCount} ${RestartCount === 1 ? "time" : "times"}`;
  if (State.Status === "running" && RestartCount > 0) {
    const code = await lastExitCode(Id);
    return ["running again", ...(code ? [`last exit code ${code}`] : []), restarts].join(", ");
  }
  const memory = State.OOMKilled ? ["out of memory"] : [];
  return [State.Status, `exit code ${State.ExitCode}`, restarts, ...memory].join(", ");
}

/** Of a container that runs, `inspect` says 0; the engine keeps its last events. Empty when it has none of this one. */
async function lastExitCode(id: string): Promise<string> {
  // Not by name, which an earlier container may have had.
  const filters = [`container=${id}`, "event=die"].flatMap((each) => ["--filter", each]);
  // Not `0s`, which the command rounds down to a whole second.
  const until = (Date.now() / 1000).toFixed(3);
  const format = "{{.Actor.Attributes.exitCode}}";
  const command = ["events", "--since", "1h", "--until", until, ...filters, "--format", format];
  // A remote engine whose clock is behind would have the command wait.
  const events = await run("docker", command, { timeout: EVENTS_TIMEOUT_MS }).catch(() => undefined);
  return events?.stdout.trim().split("\n").at(-1) ?? "";
}
