import { type HostStatus, heartbeatAgeSeconds, isFresh } from "../../../../infra/readiness/host-status.ts";
import { formatSeconds } from "../../../../infra/units.ts";

/** What the status means for the host with this id. */
export type HostState =
  | { readonly kind: "ready" }
  | { readonly kind: "starting"; readonly text: string }
  | { readonly kind: "failed"; readonly text: string }
  | { readonly kind: "no-response"; readonly text: string };

export function classifyHostStatus(
  status: HostStatus | null,
  { instance, now }: { instance: string; now: number },
): HostState {
  const noResponse = (text: string) => ({ kind: "no-response", text }) as const;
  if (!status) return noResponse("no heartbeat of the host yet");
  if (status.instance !== instance) return noResponse(`the last heartbeat is of another host, ${status.instance}`);
  const age = heartbeatAgeSeconds(status, now);
  if (!Number.isFinite(age)) return noResponse(`the time of the last heartbeat is unreadable (${status.at})`);
  if (!isFresh(status, now))
    return noResponse(`last heartbeat ${formatSeconds(age)} ago (phase then: ${status.phase})`);
  if (status.phase === "ready") return { kind: "ready" };
  if (status.phase === "failed")
    return { kind: "failed", text: status.error ?? status.ready?.error?.message ?? "failed" };
  return { kind: "starting", text: status.error ? `${status.phase}: ${status.error}` : status.phase };
}
