import type { HealthPlan } from "../plan/readiness.ts";
import { failed, type Outcome, refused, silent } from "./outcome.ts";
import type { ReadyState } from "./probe-result.ts";
import type { Pending } from "./probe-state.ts";

/** A stranger may be a container on its way out; it gets this long to go. */
const STRANGER_SECONDS = 10;

/** Remembers since when the service has been silent, failing or somebody else, and says when that was long enough. */
export class Watch {
  readonly #plan: HealthPlan;
  #silentSince: number | null = null;
  #failingSince: number | null = null;
  #strangerSince: number | null = null;
  #bytesDone = 0;

  constructor(plan: HealthPlan) {
    this.#plan = plan;
  }

  /** The end of the wait, or null to go on. `now` is in seconds. */
  see(verdict: Pending, now: number): Outcome | null {
    if (verdict.kind !== "silent") this.#silentSince = null;
    if (verdict.kind !== "stranger") this.#strangerSince = null;
    switch (verdict.kind) {
      case "silent":
        this.#silentSince ??= now;
        return now - this.#silentSince >= this.#plan.silenceSeconds ? silent(verdict.reason) : null;
      case "stranger":
        this.#strangerSince ??= now;
        return now - this.#strangerSince >= STRANGER_SECONDS ? failed(verdict.reason) : null;
      case "failing":
        this.#progress(verdict.state);
        this.#failingSince ??= now;
        if (verdict.error.retryable && now - this.#failingSince < this.#plan.patienceSeconds) return null;
        return refused(verdict.error);
      case "working":
        this.#progress(verdict.state);
        return null;
    }
  }

  /** Only bytes that arrive, or a phase past the download, end a failure: a retry alone does not. */
  #progress(state: ReadyState): void {
    if (state.bytesDone > this.#bytesDone || state.phase === "loading" || state.phase === "warming") {
      this.#failingSince = null;
    }
    this.#bytesDone = Math.max(this.#bytesDone, state.bytesDone);
  }
}
