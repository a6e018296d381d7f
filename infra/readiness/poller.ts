import type { ReadinessPlan } from "../plan/readiness.ts";
import { formatSeconds } from "../units.ts";
import type { Outcome, Pending, ProbeResult, ReadyState, ServiceError } from "./probe-result.ts";
import { describePending } from "./progress.ts";

/** The outside world, as far as the wait needs it. Times in seconds. What one of them throws ends the wait. */
export interface ReadinessDeps {
  readonly probe: (url: string) => Promise<ProbeResult>;
  readonly now: () => number;
  readonly sleep: (seconds: number) => Promise<void>;
  /** Called after every probe that did not end the wait; `elapsed` is in seconds since its start. */
  readonly onProgress: (pending: Pending, elapsed: number) => void;
}

/** The code of an error of the host, and not of the service on it. */
export const HOST_FAILED = "HOST_FAILED";

/** Another service may be a container that is being stopped; it gets this long. */
const UNEXPECTED_SERVICE_SECONDS = 10;

/**
 * Probes until the service is ready or can't become so: at once on an error that is not retryable, after
 * `retryableErrorTimeoutSeconds` on one that is, after `noResponseTimeoutSeconds` without a response, and after
 * `readyTimeoutSeconds` anyway.
 */
export async function waitUntilReady(plan: ReadinessPlan, deps: ReadinessDeps): Promise<Outcome> {
  const started = deps.now();
  const deadlines = new Deadlines(plan);
  for (;;) {
    const result = classify(await deps.probe(plan.readyUrl), plan);
    if (result.kind === "ready") return { ready: true, state: result.state };
    const elapsed = deps.now() - started;
    const outcome = deadlines.observe(result, elapsed);
    if (outcome) return outcome;
    deps.onProgress(result, elapsed);
    await deps.sleep(Math.min(plan.pollSeconds, plan.readyTimeoutSeconds - elapsed));
  }
}

export function classify(
  probe: ProbeResult,
  { models, acceptsPath }: Pick<ReadinessPlan, "models" | "acceptsPath">,
): Pending | { readonly kind: "ready"; readonly state: ReadyState } {
  if (probe.kind === "no-response") return probe;
  const { status, state } = probe;
  const unexpected = (reason: string) => ({ kind: "unexpected-service", reason }) as const;
  if (!state) return unexpected(`another service answers there (HTTP ${status})`);
  const isExpected = (model: string) => models.includes(model) || (acceptsPath && model.startsWith("/"));
  if (state.model && !isExpected(state.model)) {
    return unexpected(`an image-gen with model ${state.model} answers there, not ${models[0]}`);
  }
  if (status === 200 && state.phase === "ready") return { kind: "ready", state };
  return state.error ? { kind: "error", state, error: state.error } : { kind: "starting", state };
}

/** Remembers since when there has been no response, an error or another service, and ends the wait in time. */
class Deadlines {
  readonly #plan: ReadinessPlan;
  #since: { kind: Pending["kind"]; at: number } = { kind: "starting", at: 0 };
  #errorSince: number | null = null;
  #bytesDone = 0;

  constructor(plan: ReadinessPlan) {
    this.#plan = plan;
  }

  /** The end of the wait, or null to continue. `now` is in seconds since the wait began. */
  observe(pending: Pending, now: number): Outcome | null {
    const { noResponseTimeoutSeconds, readyTimeoutSeconds } = this.#plan;
    if (pending.kind !== this.#since.kind) this.#since = { kind: pending.kind, at: now };
    if ("state" in pending) this.#progress(pending.state);
    const lasting = now - this.#since.at;
    const overdue = now >= readyTimeoutSeconds;
    switch (pending.kind) {
      case "error":
        this.#errorSince ??= now;
        return overdue || now - this.#errorSince >= this.#limit(pending.error) ? failed(pending.error) : null;
      case "no-response":
        return overdue || lasting >= noResponseTimeoutSeconds
          ? failed({ code: "NO_RESPONSE", message: `no response (${pending.reason})` })
          : null;
      case "unexpected-service":
        return overdue || lasting >= UNEXPECTED_SERVICE_SECONDS
          ? failed({ code: "UNEXPECTED_SERVICE", message: pending.reason })
          : null;
      case "starting":
        return overdue ? notReadyInTime(pending, readyTimeoutSeconds) : null;
    }
  }

  #limit({ code, retryable }: ServiceError): number {
    if (!retryable) return 0;
    const { retryableErrorTimeoutSeconds, hostErrorTimeoutSeconds = retryableErrorTimeoutSeconds } = this.#plan;
    return code === HOST_FAILED ? hostErrorTimeoutSeconds : retryableErrorTimeoutSeconds;
  }

  /** Only new bytes, or a phase past the download, end an error: a retry alone does not. */
  #progress({ bytes_done: bytesDone, phase }: ReadyState): void {
    if (bytesDone > this.#bytesDone || phase === "loading" || phase === "warming") this.#errorSince = null;
    this.#bytesDone = Math.max(this.#bytesDone, bytesDone);
  }
}

const failed = ({ code, message }: Omit<ServiceError, "retryable">): Outcome => ({
  ready: false,
  code,
  message,
  fix: null,
});

function notReadyInTime(pending: Pending, limit: number): Outcome {
  return {
    ready: false,
    code: "NOT_READY_IN_TIME",
    message: `still ${describePending(pending)} after ${formatSeconds(limit)}`,
    fix: { set: "readyTimeoutSeconds", value: String(limit * 2) },
  };
}
