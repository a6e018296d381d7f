import type { HealthPlan } from "../plan/readiness.ts";
import { formatSeconds } from "../units.ts";
import { Watch } from "./deadlines.ts";
import { failed, type Outcome, refused, silent } from "./outcome.ts";
import type { Answer } from "./probe-result.ts";
import { judge, type Pending } from "./probe-state.ts";
import { describe, Talk } from "./progress-reporter.ts";

/** The outside world, as far as the wait needs it. Times in seconds. */
export interface World {
  readonly ask: (url: string) => Promise<Answer>;
  readonly now: () => number;
  readonly sleep: (seconds: number) => Promise<void>;
  readonly report: (line: string) => void;
}

/**
 * Asks until the service is ready or can't become so. Ends at once on an error that time won't mend, after
 * `patienceSeconds` on one that may pass, after `silenceSeconds` without an answer, and after `budgetSeconds` anyway.
 */
export async function waitUntilReady(plan: HealthPlan, world: World): Promise<Outcome> {
  const started = world.now();
  const watch = new Watch(plan);
  const talk = new Talk(world.report);
  for (;;) {
    const verdict = judge(await world.ask(plan.readyUrl), plan);
    if (verdict.kind === "ready") return { ready: true, state: verdict.state };
    const elapsed = world.now() - started;
    const end = watch.see(verdict, elapsed);
    if (end) return end;
    if (elapsed >= plan.budgetSeconds) return overdue(verdict, plan.budgetSeconds);
    talk.about(verdict, elapsed);
    await world.sleep(Math.min(plan.pollSeconds, plan.budgetSeconds - elapsed));
  }
}

function overdue(verdict: Pending, budgetSeconds: number): Outcome {
  if (verdict.kind === "silent") return silent(verdict.reason);
  if (verdict.kind === "failing") return refused(verdict.error);
  return failed(
    `still ${describe(verdict)} after ${formatSeconds(budgetSeconds)}. ` +
      `If that is progress, allow more time: pulumi config set readyTimeoutSeconds ${budgetSeconds * 2}`,
  );
}
