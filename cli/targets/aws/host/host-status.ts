import { type HostStatus, heartbeatAgeSeconds, isFresh } from "../../../../infra/readiness/host-status.ts";
import { formatSeconds } from "../../../../infra/units.ts";

/** What a record says of the host with this id. */
export type RecordVerdict =
  | { readonly kind: "ready" }
  | { readonly kind: "working"; readonly text: string }
  | { readonly kind: "failed"; readonly text: string }
  | { readonly kind: "silent"; readonly text: string };

/** `since`: what was written earlier (milliseconds since 1970) was written before the last start, and does not count. */
export function judgeRecord(
  record: HostStatus | null,
  { instance, now, since = 0 }: { instance: string; now: number; since?: number },
): RecordVerdict {
  if (!record) return { kind: "silent", text: "the host has not reported yet" };
  if (record.instance !== instance)
    return { kind: "silent", text: `the last report is of another host, ${record.instance}` };
  if (Date.parse(record.at) < since) return { kind: "silent", text: "the host has not reported since it was started" };
  if (!isFresh(record, now)) {
    const age = heartbeatAgeSeconds(record, now);
    const heard = Number.isFinite(age) ? `for ${formatSeconds(age)}` : "at a time that can be read";
    return { kind: "silent", text: `the host has not reported ${heard} (its last phase: ${record.phase})` };
  }
  if (record.phase === "ready") return { kind: "ready" };
  if (record.phase === "failed")
    return { kind: "failed", text: record.error ?? record.ready?.error?.message ?? "failed" };
  return { kind: "working", text: record.error ? `${record.phase}: ${record.error}` : record.phase };
}
