import { HEARTBEAT_TIMEOUT_SECONDS, HOST_STATUS_SCHEMA } from "../contract.ts";
import type { AwsReadinessPlan } from "../plan/aws/readiness.ts";
import { HOST_FAILED, type ReadinessDeps, waitUntilReady } from "./poller.ts";
import {
  isRecord,
  type Outcome,
  type ProbeResult,
  parseReadyState,
  type ReadyState,
  type ServiceError,
} from "./probe-result.ts";

/** What the host writes about itself into the parameter `<prefix>/ready`. */
export interface HostStatus {
  /** Id of the deployment that it runs. */
  readonly deployment: string;
  readonly instance: string;
  /** ISO time of the heartbeat, by the host's clock. */
  readonly at: string;
  /** `booting`, `volume`, `pulling`, `starting`, a phase of `/readyz`, `ready` or `failed`. */
  readonly phase: string;
  /** The body of `/readyz`, once the service answers. */
  readonly ready: ReadyState | null;
  readonly error: string | null;
  /** The last lines of its log. */
  readonly log: readonly string[];
}

/** Reads the parameter's value; null when it is no host's status. */
export function parseHostStatus(text: string | null): HostStatus | null {
  const found = parseJson(text ?? "");
  if (!isRecord(found)) return null;
  const { schema, deployment, instance, at, phase, ready, error, log } = found;
  if (schema !== HOST_STATUS_SCHEMA) return null;
  if (typeof phase !== "string" || typeof instance !== "string" || typeof at !== "string") return null;
  return {
    deployment: typeof deployment === "string" ? deployment : "",
    instance,
    at,
    phase,
    ready: parseReadyState(ready),
    error: typeof error === "string" ? error : null,
    log: Array.isArray(log) ? log.filter((line) => typeof line === "string") : [],
  };
}

/** Seconds since the heartbeat, or until it where the clocks differ; `now` in milliseconds since 1970. */
export function heartbeatAgeSeconds({ at }: Pick<HostStatus, "at">, now: number): number {
  const written = Date.parse(at);
  return Number.isNaN(written) ? Number.POSITIVE_INFINITY : Math.abs(now - written) / 1000;
}

/** A status that was not renewed for this long is one of a host that may be gone. */
export function isFresh(status: Pick<HostStatus, "at">, now: number, timeout = HEARTBEAT_TIMEOUT_SECONDS): boolean {
  return heartbeatAgeSeconds(status, now) <= timeout;
}

/** What a read of the parameter gave: its text, nothing yet, or a reason why reading it again is in vain. */
export type ParameterResult =
  | { readonly kind: "value"; readonly text: string }
  | { readonly kind: "none"; readonly reason: string }
  | { readonly kind: "denied"; readonly reason: string };

export interface ExpectedHost {
  /** Null: whatever it runs. */
  readonly deployment: string | null;
  /** Null: any host of a group. */
  readonly instance: string | null;
  /** Milliseconds since 1970: a status that was written before, say before the host was stopped, does not count. */
  readonly since?: number;
}

/** The outside world, as far as a wait for a host needs it. `date`: milliseconds since 1970. */
export interface HostDeps extends Omit<ReadinessDeps, "probe"> {
  readonly readParameter: (name: string) => Promise<ParameterResult>;
  readonly date: () => number;
}

/**
 * Turns the host's status into a result of `/readyz`. It counts only if it is of this host and this deployment, and
 * fresh. Where the host's clock is wrong, the status counts from its next change on.
 */
export class HostStatusReader {
  readonly #expected: ExpectedHost;
  readonly #timeout: number;
  readonly #clock: Pick<HostDeps, "now" | "date">;
  #lastAt: string | null = null;
  #changedAt: number | null = null;
  /** The last known lines of the host's log. */
  log: readonly string[] = [];

  constructor(expected: ExpectedHost, heartbeatTimeoutSeconds: number, clock: Pick<HostDeps, "now" | "date">) {
    this.#expected = expected;
    this.#timeout = heartbeatTimeoutSeconds;
    this.#clock = clock;
  }

  read(parameter: ParameterResult): ProbeResult {
    const { deployment, instance, since = 0 } = this.#expected;
    const none = (reason: string) => ({ kind: "no-response", reason }) as const;
    if (parameter.kind === "none") return none(parameter.reason);
    if (parameter.kind === "denied") {
      return hostState("failed", { code: "ACCESS_DENIED", message: parameter.reason, retryable: false });
    }
    const status = parseHostStatus(parameter.text);
    if (!status) return none("the host's status can't be read");
    if (instance !== null && status.instance !== instance) {
      return none(`${instance} has not written its status yet; the last one is of ${status.instance}`);
    }
    if (Date.parse(status.at) < since) return none(`${status.instance} has not written its status since its start`);
    if (!this.#isFresh(status)) return none(`the last heartbeat of ${status.instance} was at ${status.at}`);
    this.log = status.log;
    const other = deployment !== null && status.deployment !== deployment;
    if (other && status.phase !== "failed") return hostState("starting");
    return probeResultOf(status);
  }

  /** By the date, or because it was seen to change, which needs no two clocks that agree. */
  #isFresh(status: HostStatus): boolean {
    const now = this.#clock.now();
    if (this.#lastAt !== null && status.at !== this.#lastAt) this.#changedAt = now;
    this.#lastAt = status.at;
    const changed = this.#changedAt !== null && now - this.#changedAt <= this.#timeout;
    return changed || isFresh(status, this.#clock.date(), this.#timeout);
  }
}

/** Before the service answers at `/readyz`, the host's own phase and error stand for it. */
function probeResultOf({ phase, ready, error }: HostStatus): ProbeResult {
  // The service's own error is more exact than the host's, which retries: so its errors may pass.
  if (phase === "failed" && !ready?.error) {
    return hostState("failed", { code: HOST_FAILED, message: error ?? "the host gave no reason", retryable: true });
  }
  if (ready === null) return hostState(phase);
  return { kind: "response", status: phase === "ready" ? 200 : 503, state: ready };
}

function hostState(phase: string, error: ServiceError | null = null): ProbeResult {
  return { kind: "response", status: 503, state: parseReadyState({ phase, error, model: null }) };
}

/** Waits until the host's status says that the service is ready. `log`: the end of the host's log. */
export async function waitForHost(
  plan: AwsReadinessPlan,
  expected: ExpectedHost,
  deps: HostDeps,
): Promise<{ readonly outcome: Outcome; readonly log: readonly string[] }> {
  const reader = new HostStatusReader(expected, plan.heartbeatTimeoutSeconds, deps);
  const probe = async () => reader.read(await deps.readParameter(plan.parameter));
  const outcome = await waitUntilReady(plan, { ...deps, probe });
  return { outcome, log: reader.log };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
