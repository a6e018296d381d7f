import { formatSeconds } from "../../../../infra/units.ts";
import type { Readyz } from "../../../service/readyz.ts";

/** The host's own status, in the parameter `<prefix>/ready`. */
export interface HostStatus {
  readonly schema: 1;
  /** The deployment that it runs. */
  readonly deployment: string;
  readonly instance: string;
  /** ISO time of this heartbeat, of which there is one a minute. */
  readonly at: string;
  readonly phase: string;
  /** The body of /readyz; null before the container answers. */
  readonly ready: Readyz | null;
  readonly error: string | null;
  readonly log: readonly string[];
}

/** Seconds without a heartbeat after which a running host counts as unresponsive. */
const HEARTBEAT_TIMEOUT_S = 180;

/** Null for anything but such a status. */
export function parseHostStatus(text: string | null): HostStatus | null {
  if (text === null) return null;
  try {
    const value = JSON.parse(text) as Partial<HostStatus> | null;
    if (value?.schema !== 1 || typeof value.instance !== "string" || typeof value.at !== "string") return null;
    return {
      schema: 1,
      deployment: String(value.deployment ?? ""),
      instance: value.instance,
      at: value.at,
      phase: String(value.phase ?? "unknown"),
      ready: value.ready ?? null,
      error: value.error ?? null,
      log: Array.isArray(value.log) ? value.log.map(String) : [],
    };
  } catch {
    return null;
  }
}

/** Seconds since the heartbeat; never negative, although the clocks of two machines differ. */
export function ageSeconds(status: HostStatus, now: number): number {
  const at = Date.parse(status.at);
  return Number.isNaN(at) ? Number.POSITIVE_INFINITY : Math.max(0, (now - at) / 1000);
}

/** What the status means for the host with this id. */
export type HostState =
  | { readonly kind: "ready" }
  | { readonly kind: "starting"; readonly text: string }
  | { readonly kind: "failed"; readonly text: string }
  | { readonly kind: "no-response"; readonly text: string };

/** `since`: a heartbeat before that time (milliseconds since 1970) is from before the last start, and does not count. */
export function classifyHostStatus(
  status: HostStatus | null,
  { instance, now, since = 0 }: { instance: string; now: number; since?: number },
): HostState {
  const noResponse = (text: string) => ({ kind: "no-response", text }) as const;
  if (!status) return noResponse("no heartbeat of the host yet");
  if (status.instance !== instance) return noResponse(`the last heartbeat is of another host, ${status.instance}`);
  if (Date.parse(status.at) < since) return noResponse("no heartbeat since the host was started");
  const age = ageSeconds(status, now);
  if (!Number.isFinite(age)) return noResponse(`the time of the last heartbeat is unreadable (${status.at})`);
  if (age > HEARTBEAT_TIMEOUT_S)
    return noResponse(`last heartbeat ${formatSeconds(age)} ago (phase then: ${status.phase})`);
  if (status.phase === "ready") return { kind: "ready" };
  if (status.phase === "failed")
    return { kind: "failed", text: status.error ?? status.ready?.error?.message ?? "failed" };
  return { kind: "starting", text: status.error ? `${status.phase}: ${status.error}` : status.phase };
}
