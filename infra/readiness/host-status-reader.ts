import type { AwsHealthPlan } from "../plan/aws/readiness.ts";
import { type HostRecord, readHostRecord } from "./host-status.ts";
import type { Answer } from "./probe-result.ts";

/** What a read of the parameter gave: its text, nothing yet, or a reason why reading it is in vain. */
export type ParameterAnswer =
  | { readonly kind: "value"; readonly text: string }
  | { readonly kind: "none"; readonly reason: string }
  | { readonly kind: "refused"; readonly reason: string };

export interface Expected {
  readonly deployment: string;
  /** Null: any host of a group. */
  readonly instance: string | null;
}

/** Seconds since any moment, and the date in milliseconds. */
export interface Clock {
  readonly now: () => number;
  readonly date: () => number;
}

/**
 * Turns the host's record into an answer of `/readyz`. A record counts only if it is of this host and this deployment,
 * and fresh: an old one says nothing of a host that may be gone. A clock that goes wrong makes it wait for the next one.
 */
export class HostWitness {
  readonly #expected: Expected;
  readonly #plan: Pick<AwsHealthPlan, "staleSeconds">;
  readonly #clock: Clock;
  #lastAt: string | null = null;
  #changedAt: number | null = null;
  /** The last lines of the host's log, as far as they are known. */
  log: readonly string[] = [];

  constructor(expected: Expected, plan: Pick<AwsHealthPlan, "staleSeconds">, clock: Clock) {
    this.#expected = expected;
    this.#plan = plan;
    this.#clock = clock;
  }

  hear(answer: ParameterAnswer): Answer {
    if (answer.kind === "none") return answer;
    if (answer.kind === "refused")
      return told("failed", { code: "NO_ACCESS", message: answer.reason, retryable: false });
    const record = readHostRecord(answer.text);
    if (!record) return { kind: "none", reason: "the host's record can't be read" };
    const { deployment, instance } = this.#expected;
    if (instance !== null && record.instance !== instance) {
      return { kind: "none", reason: `${instance} has not written a record yet; ${record.instance} was before it` };
    }
    if (!this.#isFresh(record)) return { kind: "none", reason: `${record.instance} is silent since ${record.at}` };
    this.log = record.log;
    if (record.deployment !== deployment && record.phase !== "failed") {
      return told("starting");
    }
    return body(record);
  }

  /** By the date, or because it was seen to change: that needs no two clocks that agree. */
  #isFresh({ at }: HostRecord): boolean {
    const now = this.#clock.now();
    if (this.#lastAt !== null && at !== this.#lastAt) this.#changedAt = now;
    this.#lastAt = at;
    const age = Math.abs(this.#clock.date() - Date.parse(at)) / 1000;
    if (age <= this.#plan.staleSeconds) return true;
    return this.#changedAt !== null && now - this.#changedAt <= this.#plan.staleSeconds;
  }
}

/** Before anything answers at `/readyz`, the host's own phase and error stand for it. */
function body({ phase, ready, error }: HostRecord): Answer {
  if (phase === "failed") {
    // The service's own reason is better than the host's. The host goes on trying, so its reasons may pass.
    const own = (ready as { error?: unknown } | null)?.error;
    if (own) return { kind: "http", status: 503, body: ready };
    return told("failed", { code: "HOST_FAILED", message: error ?? "the host gave no reason", retryable: true });
  }
  if (ready === null) return told(phase);
  return { kind: "http", status: phase === "ready" ? 200 : 503, body: ready };
}

function told(phase: string, error: { code: string; message: string; retryable: boolean } | null = null): Answer {
  return { kind: "http", status: 503, body: { phase, error, model: "" } };
}
