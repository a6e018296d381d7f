import { formatSeconds } from "../../../../infra/units.ts";
import type { Readyz } from "../../../service/readyz.ts";

/** What the host writes about itself into `<prefix>/ready`; see docs/aws.md. */
export interface ReadyRecord {
  readonly schema: 1;
  /** The deployment that it runs. */
  readonly deployment: string;
  readonly instance: string;
  /** ISO time of the writing: a heartbeat, at least once a minute. */
  readonly at: string;
  readonly phase: string;
  /** The body of /readyz; null before the container answers. */
  readonly ready: Readyz | null;
  readonly error: string | null;
  readonly log: readonly string[];
}

/** A running host that has said nothing for so long (seconds) is not well. */
const SILENT_S = 180;

/** Null for anything that no host of ours has written. */
export function parseRecord(text: string | null): ReadyRecord | null {
  if (text === null) return null;
  try {
    const value = JSON.parse(text) as Partial<ReadyRecord> | null;
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

/** Seconds since the record was written; never negative, as two machines' clocks differ. */
export function ageSeconds(record: ReadyRecord, now: number): number {
  const at = Date.parse(record.at);
  return Number.isNaN(at) ? Number.POSITIVE_INFINITY : Math.max(0, (now - at) / 1000);
}

/** What a record says of the host with this id. */
export type RecordVerdict =
  | { readonly kind: "ready" }
  | { readonly kind: "working"; readonly text: string }
  | { readonly kind: "failed"; readonly text: string }
  | { readonly kind: "silent"; readonly text: string };

/** `since`: what was written earlier (milliseconds since 1970) was written before the last start, and does not count. */
export function judgeRecord(
  record: ReadyRecord | null,
  { instance, now, since = 0 }: { instance: string; now: number; since?: number },
): RecordVerdict {
  if (!record) return { kind: "silent", text: "the host has not reported yet" };
  if (record.instance !== instance)
    return { kind: "silent", text: `the last report is of another host, ${record.instance}` };
  if (Date.parse(record.at) < since) return { kind: "silent", text: "the host has not reported since it was started" };
  const age = ageSeconds(record, now);
  if (age > SILENT_S) {
    const heard = Number.isFinite(age) ? `for ${formatSeconds(age)}` : "at a time that can be read";
    return { kind: "silent", text: `the host has not reported ${heard} (its last phase: ${record.phase})` };
  }
  if (record.phase === "ready") return { kind: "ready" };
  if (record.phase === "failed")
    return { kind: "failed", text: record.error ?? record.ready?.error?.message ?? "failed" };
  return { kind: "working", text: record.error ? `${record.phase}: ${record.error}` : record.phase };
}
