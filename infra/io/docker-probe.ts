import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { World } from "../readiness/poller.ts";
import type { Answer } from "../readiness/probe-result.ts";

/** One answer may take this long, in milliseconds; a loading model leaves little time to answer. */
const ANSWER_TIMEOUT = 10_000;

/** The real clock and network. `report` gets a progress line at every poll. */
export function realWorld(report: (line: string) => void): World {
  return {
    ask,
    now: () => performance.now() / 1000,
    sleep: async (seconds) => sleep(seconds * 1000),
    report,
  };
}

/** Asks once; a body that is not JSON counts as an answer without one. */
async function ask(url: string): Promise<Answer> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_TIMEOUT), redirect: "manual" });
    const text = await response.text();
    return { kind: "http", status: response.status, body: parseJson(text) };
  } catch (error) {
    const { cause, message } = error as Error & { cause?: { code?: string; message?: string } };
    return { kind: "none", reason: cause?.code ?? cause?.message ?? message };
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
const STATE =
  "{{.State.Status}}, exit code {{.State.ExitCode}}, restarted {{.RestartCount}} times{{if .State.OOMKilled}}, out of memory{{end}}";

/**
 * The container's state and last log lines, by the `docker` command: the provider's own `getLogs` ends the provider on
 * lines of some lengths. Empty when the command can't tell.
 */
export async function containerReport(containerName: string): Promise<readonly string[]> {
  try {
    const state = await run("docker", ["inspect", "--type", "container", "--format", STATE, containerName]);
    const logs = await run("docker", ["logs", "--tail", "20", containerName]);
    const lines = `${logs.stdout}${logs.stderr}`.split("\n").filter((line) => line.trim() !== "");
    return [`container ${containerName}: ${state.stdout.trim()}`, ...lines.slice(-20)];
  } catch {
    return [];
  }
}
