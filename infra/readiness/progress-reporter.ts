import { formatSeconds } from "../units.ts";
import type { Pending } from "./probe-state.ts";

const REPORT_SECONDS = 5;

/** What the wait says while it waits: something new at once, the rest every few seconds. */
export class Talk {
  readonly #say: (line: string) => void;
  #what = "";
  #last = Number.NEGATIVE_INFINITY;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  /** `elapsed` is in seconds since the wait began. */
  about(verdict: Pending, elapsed: number): void {
    const what = `${verdict.kind}:${"state" in verdict ? verdict.state.phase : ""}`;
    if (what === this.#what && elapsed - this.#last < REPORT_SECONDS) return;
    this.#what = what;
    this.#last = elapsed;
    this.#say(`${describe(verdict)} (${formatSeconds(elapsed)})`);
  }
}

export function describe(verdict: Pending): string {
  switch (verdict.kind) {
    case "working":
      return verdict.line;
    case "failing":
      return `${verdict.error.message.replace(/\.$/, "")}; the service tries again`;
    case "silent":
      return "waiting for the service to answer";
    case "stranger":
      return verdict.reason;
  }
}
