import type { HealthPlan } from "../plan/health-plan.ts";
import { formatSeconds } from "../units.ts";
import type { Answer, ReadyState } from "./ready-state.ts";
import { judge, type Verdict } from "./verdict.ts";

/** The outside world, as far as the wait needs it. Times in seconds. */
export interface World {
  readonly ask: (url: string) => Promise<Answer>;
  readonly now: () => number;
  readonly sleep: (seconds: number) => Promise<void>;
  readonly report: (line: string) => void;
}

/** How a wait ended. `silent`: nothing ever answered, so the container's log is the place to look. */
export type Outcome =
  | { readonly ready: true; readonly state: ReadyState }
  | { readonly ready: false; readonly reason: string; readonly silent: boolean };

/** A stranger may be a container on its way out; it gets this long to go. */
const STRANGER_SECONDS = 10;
const REPORT_SECONDS = 5;

/**
 * Asks until the service is ready or can't become so. Ends at once on an error that time won't mend, after
 * `patienceSeconds` on one that may pass, after `silenceSeconds` without an answer, and after `budgetSeconds` anyway.
 */
export async function waitUntilReady(plan: HealthPlan, world: World): Promise<Outcome> {
  const started = world.now();
  const watch = new Watch(plan, started);
  const talk = new Talk();
  for (;;) {
    const verdict = judge(await world.ask(plan.readyUrl), plan);
    if (verdict.kind === "ready") return { ready: true, state: verdict.state };
    const now = world.now();
    const end = watch.see(verdict, now);
    if (end) return end;
    if (now - started >= plan.budgetSeconds) return overdue(plan, verdict);
    if (talk.due(verdict, now)) world.report(describe(verdict, now - started));
    await world.sleep(Math.min(plan.pollSeconds, plan.budgetSeconds - (now - started)));
  }
}

/** Something new is said at once, the rest every few seconds. */
class Talk {
  #what = "";
  #last = Number.NEGATIVE_INFINITY;

  due(verdict: Verdict, now: number): boolean {
    const what = `${verdict.kind}:${"state" in verdict ? verdict.state.phase : ""}`;
    if (what === this.#what && now - this.#last < REPORT_SECONDS) return false;
    this.#what = what;
    this.#last = now;
    return true;
  }
}

/** Remembers since when the service has been silent, failing or somebody else. */
class Watch {
  readonly #plan: HealthPlan;
  #silentSince: number | null;
  #failingSince: number | null = null;
  #strangerSince: number | null = null;
  #bytesDone = 0;

  constructor(plan: HealthPlan, now: number) {
    this.#plan = plan;
    this.#silentSince = now;
  }

  see(verdict: Verdict, now: number): Outcome | null {
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
        return failed(`${sentence(verdict.error.message)} (${verdict.error.code})`);
      default:
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

/** Without its full stop: something follows. */
const sentence = (text: string) => text.replace(/\.$/, "");
const failed = (reason: string): Outcome => ({ ready: false, reason, silent: false });
const silent = (reason: string): Outcome => ({ ready: false, reason: `nothing answers (${reason})`, silent: true });

function overdue(plan: HealthPlan, verdict: Verdict): Outcome {
  const spent = formatSeconds(plan.budgetSeconds);
  if (verdict.kind === "silent") return silent(verdict.reason);
  return failed(
    `still ${describe(verdict, null)} after ${spent}. ` +
      `If that is progress, allow more time: pulumi config set readyTimeoutSeconds ${plan.budgetSeconds * 2}`,
  );
}

function describe(verdict: Verdict, elapsed: number | null): string {
  const since = elapsed === null ? "" : ` (${formatSeconds(elapsed)})`;
  switch (verdict.kind) {
    case "working":
      return `${verdict.line}${since}`;
    case "failing":
      return `${sentence(verdict.error.message)}; the service tries again${since}`;
    case "silent":
      return `waiting for the service to answer${since}`;
    default:
      return `${verdict.kind === "stranger" ? verdict.reason : verdict.state.phase}${since}`;
  }
}
