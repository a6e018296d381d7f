import { setTimeout as sleep } from "node:timers/promises";
import { type ConfigOrigins, imagegenFix } from "../../infra/config/problem.ts";
import { READY_PATH } from "../../infra/contract.ts";
import { probeService } from "../../infra/io/docker-probe.ts";
import type { ReadinessPlan } from "../../infra/plan/readiness.ts";
import { type ReadinessDeps, waitUntilReady } from "../../infra/readiness/poller.ts";
import type { Failure, ReadyState } from "../../infra/readiness/probe-result.ts";
import { describeFailure } from "../../infra/readiness/progress.ts";
import { CliError } from "../core/exit.ts";

/** One probe of the service; null when no image-gen service answers within `timeoutMs`. */
export async function readReadyz(url: string, timeoutMs = 2000, signal?: AbortSignal): Promise<ReadyState | null> {
  const found = await probeService(new URL(READY_PATH, url).href, { timeoutMs, ...(signal ? { signal } : {}) });
  return found.kind === "response" ? found.state : null;
}

export interface WaitOptions {
  readonly stack: string;
  readonly signal: AbortSignal;
  readonly onState?: (state: ReadyState) => void;
  /** Called between two probes; what it throws ends the wait (the process has died, say). */
  readonly check?: () => void;
}

/** Waits until the service is ready, as the plan says. Throws a CliError with the service's own reason, or on time-out. */
export async function waitForService(
  plan: ReadinessPlan,
  { stack, signal, onState, check }: WaitOptions,
  deps: Omit<ReadinessDeps, "onProgress"> = {
    probe: async (url) => probeService(url, { signal }),
    now: () => performance.now() / 1000,
    sleep: async (seconds) => sleep(seconds * 1000, undefined, { signal }),
  },
): Promise<ReadyState> {
  const outcome = await waitUntilReady(plan, {
    ...deps,
    onProgress: (pending) => {
      if ("state" in pending) onState?.(pending.state);
      check?.();
    },
  });
  if (outcome.ready) return outcome.state;
  throw notReady(outcome, stack);
}

export function notReady(failure: Failure, stack: string): CliError {
  const origins: ConfigOrigins = { stack, originOf: () => "kept" };
  return new CliError(`${describeFailure(failure, (fix) => imagegenFix(fix, origins))}. Its log: imagegen logs`);
}
