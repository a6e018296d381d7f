import { setTimeout as sleep } from "node:timers/promises";
import { imagegenFix } from "../../infra/config/problem.ts";
import { READY_PATH } from "../../infra/contract.ts";
import { probeService } from "../../infra/io/docker-probe.ts";
import type { ReadinessPlan } from "../../infra/plan/readiness.ts";
import { type ReadinessDeps, waitUntilReady } from "../../infra/readiness/poller.ts";
import type { Failure, Pending, ReadyState } from "../../infra/readiness/probe-result.ts";
import { describeNotReady, describePending, describeState } from "../../infra/readiness/progress.ts";
import { commandFor } from "../core/command-line.ts";
import type { Context } from "../core/context.ts";
import { CliError, type ErrorDetail } from "../core/exit.ts";
import type { Progress } from "../core/progress.ts";

/** Milliseconds in which a failed service takes note of the signal to retry. */
export const RETRY_MS = 500;

/** One probe of the service; null when no image-gen service answers within `timeoutMs`. */
export async function probeState(url: string, timeoutMs = 2000, signal?: AbortSignal): Promise<ReadyState | null> {
  const found = await probeService(new URL(READY_PATH, url).href, { timeoutMs, ...(signal ? { signal } : {}) });
  return found.kind === "response" ? found.state : null;
}

/**
 * Waits until the service is ready, as the plan says, and shows its progress. Throws a CliError with the service's own
 * reason, or on timeout; what `check`, called between two probes, throws ends the wait as well.
 */
export async function waitForService(
  { files, progress, signal }: Pick<Context, "files" | "progress" | "signal">,
  plan: ReadinessPlan,
  check?: () => void,
  deps: Omit<ReadinessDeps, "onProgress"> = { probe: async (url) => probeService(url, { signal }), ...clock(signal) },
): Promise<ReadyState> {
  try {
    const outcome = await waitUntilReady(plan, {
      ...deps,
      onProgress: (pending) => {
        showPending(progress, pending);
        check?.();
      },
    });
    if (outcome.ready) return outcome.state;
    throw new CliError(failureDetail(outcome, files.name));
  } finally {
    progress.stop();
  }
}

/** The real clock; `signal` ends a sleep. */
export const clock = (signal: AbortSignal) => ({
  now: () => performance.now() / 1000,
  sleep: async (seconds: number) => sleep(seconds * 1000, undefined, { signal }),
});

export function showPending(progress: Progress, pending: Pending): void {
  const { text, fraction } =
    pending.kind === "starting" || (pending.kind === "error" && pending.state.phase !== "failed")
      ? describeState(pending.state)
      : { text: describePending(pending), fraction: undefined };
  progress.update(text, fraction);
}

export function failureDetail(failure: Failure, stack: string): ErrorDetail {
  const wordFix = (fix: NonNullable<Failure["fix"]>) =>
    imagegenFix(fix, { stack, originOf: () => "kept" }, commandFor(stack, "up"));
  return { message: `${describeNotReady(failure, wordFix)}.`, fix: commandFor(stack, "logs") };
}
