import type { HealthPlan } from "../plan/readiness.ts";
import { formatBytes, formatSeconds } from "../units.ts";
import { type Answer, type ReadyState, readReadyState, type ServiceError } from "./probe-result.ts";

/** What one answer means. */
export type Verdict =
  | { readonly kind: "ready"; readonly state: ReadyState }
  | { readonly kind: "working"; readonly state: ReadyState; readonly line: string }
  | { readonly kind: "failing"; readonly state: ReadyState; readonly error: ServiceError }
  | { readonly kind: "silent"; readonly reason: string }
  | { readonly kind: "stranger"; readonly reason: string };

/** All that is not ready, and may become so. */
export type Pending = Exclude<Verdict, { readonly kind: "ready" }>;

export function judge(answer: Answer, { models }: Pick<HealthPlan, "models">): Verdict {
  if (answer.kind === "none") return { kind: "silent", reason: answer.reason };
  const state = readReadyState(answer.body);
  if (!state) return { kind: "stranger", reason: `another service answers there (HTTP ${answer.status})` };
  if (state.model !== "" && !models.includes(state.model)) {
    return { kind: "stranger", reason: `an image-gen with model ${state.model} answers there, not ${models[0]}` };
  }
  if (answer.status === 200 && state.phase === "ready") return { kind: "ready", state };
  if (state.error) return { kind: "failing", state, error: state.error };
  return { kind: "working", state, line: progressLine(state) };
}

/** "fetching: 1.2 GB of 6.94 GB, about 9 min 34 s left". */
function progressLine({ phase, bytesDone, bytesTotal, etaSeconds }: ReadyState): string {
  if (phase !== "fetching" && phase !== "verifying") return phase;
  if (bytesTotal === 0) return phase;
  const left = etaSeconds === null ? "" : `, about ${formatSeconds(etaSeconds)} left`;
  return `${phase}: ${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}${left}`;
}
