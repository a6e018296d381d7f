import type { Fix } from "../config/problem.ts";
import { formatBytes, formatSeconds } from "../units.ts";
import type { Failure, Pending, ReadyState } from "./probe-result.ts";

const REPORT_SECONDS = 5;

/** What to show of a start: one line, and the fraction of the download (0 to 1) while there is one. */
export function describeState(state: ReadyState): { readonly text: string; readonly fraction?: number } {
  const { phase, error, device } = state;
  const retrying = error && phase !== "failed" ? ` · retrying: ${error.message}` : "";
  if (phase === "fetching" && state.bytes_total > 0) {
    const parts = [
      `fetching ${state.model ?? "the model"}`,
      `${formatBytes(state.bytes_done)} of ${formatBytes(state.bytes_total)}`,
      ...(state.bytes_per_second ? [`${formatBytes(state.bytes_per_second)}/s`] : []),
      ...(state.eta_seconds === null ? [] : [`${formatSeconds(state.eta_seconds)} left`]),
    ];
    return { text: parts.join(" · ") + retrying, fraction: state.bytes_done / state.bytes_total };
  }
  const texts: Readonly<Record<string, string>> = {
    fetching: "looking up the model's files",
    verifying: "verifying the model's files",
    loading: `loading the model${device ? ` to ${device}` : ""}`,
    warming: "making a first image",
    ready: `ready on ${device ?? "its device"}`,
    failed: error ? `failed: ${error.message}` : "failed",
  };
  return { text: (texts[phase] ?? phase) + retrying };
}

export function describePending(pending: Pending): string {
  switch (pending.kind) {
    case "starting":
      return describeState(pending.state).text;
    case "error":
      return `${pending.error.message.replace(/\.$/, "")}; the service retries`;
    case "no-response":
      return "waiting for a response";
    case "unexpected-service":
      return pending.reason;
  }
}

/** The message without its full stop, the code, and what helps where the wait was too short. */
export function describeNotReady({ message, code, fix }: Failure, wordFix: (fix: Fix) => string): string {
  const more = fix ? `; if that is progress, allow more time: ${wordFix(fix)}` : "";
  return `${message.replace(/\.$/, "")} (${code})${more}`;
}

/** Progress as lines: a new phase at once, the rest every few seconds. */
export function lineReporter(log: (line: string) => void): (pending: Pending, elapsed: number) => void {
  let shown = "";
  let last = Number.NEGATIVE_INFINITY;
  return (pending, elapsed) => {
    const phase = `${pending.kind}:${"state" in pending ? pending.state.phase : ""}`;
    if (phase === shown && elapsed - last < REPORT_SECONDS) return;
    shown = phase;
    last = elapsed;
    log(`${describePending(pending)} (${formatSeconds(elapsed)})`);
  };
}
