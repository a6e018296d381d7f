/**
 * Stage 6, readiness: the only wait for a ready service. In: the readiness plan, and a way to probe a service or a host.
 * Out: success only when the model that was asked for is on its device and has made an image, or one reason with a code.
 * Never trusts a past success. The program's gates and every command of `imagegen` wait by it.
 */

import type { Fix } from "../config/problem.ts";
import type { ServiceUsage } from "../plan/prices/picture-use.ts";

/** What came back from one request to `/readyz`. `state`: null when no image-gen service answered. */
export type ProbeResult =
  | { readonly kind: "no-response"; readonly reason: string }
  | { readonly kind: "response"; readonly status: number; readonly state: ReadyState | null };

/** What one probe means, as long as the service is not ready. */
export type Pending =
  | { readonly kind: "starting"; readonly state: ReadyState }
  | { readonly kind: "error"; readonly state: ReadyState; readonly error: ServiceError }
  | { readonly kind: "no-response"; readonly reason: string }
  | { readonly kind: "unexpected-service"; readonly reason: string };

/** How a wait ended. `code`: the service's own, or NO_RESPONSE, NOT_READY_IN_TIME or UNEXPECTED_SERVICE. */
export type Outcome = Success | Failure;

export interface Success {
  readonly ready: true;
  readonly state: ReadyState;
}

export interface Failure {
  readonly ready: false;
  readonly code: string;
  readonly message: string;
  readonly fix: Fix | null;
}

/** The body of `/readyz`, with its fields spelled as they are there. */
export interface ReadyState {
  /** `starting`, `fetching`, `verifying`, `loading`, `warming`, `ready`, `failed` or `stopping`; a host has more. */
  readonly phase: string;
  readonly bytes_done: number;
  readonly bytes_total: number;
  readonly bytes_per_second: number | null;
  readonly eta_seconds: number | null;
  readonly file: string | null;
  readonly error: ServiceError | null;
  readonly model: string | null;
  readonly revision: string | null;
  readonly source: string | null;
  readonly device: string | null;
  /** Seconds of each phase so far. */
  readonly phases: Readonly<Record<string, number>>;
  readonly version: string | null;
  /** Whether SIGHUP makes a failed service retry; absent in versions that it ends. */
  readonly retries_on_sighup?: boolean;
  /** Pictures and busy time since the process began; absent in versions that do not measure it. */
  readonly usage?: ServiceUsage;
}

export interface ServiceError {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
}

/** Reads the body of `/readyz`; null when it is not one. */
export function parseReadyState(body: unknown): ReadyState | null {
  if (!isRecord(body) || typeof body.phase !== "string" || !("error" in body) || !("model" in body)) return null;
  return {
    phase: body.phase,
    bytes_done: numberIn(body.bytes_done) ?? 0,
    bytes_total: numberIn(body.bytes_total) ?? 0,
    bytes_per_second: numberIn(body.bytes_per_second),
    eta_seconds: numberIn(body.eta_seconds),
    file: textIn(body.file),
    error: parseError(body.error),
    model: textIn(body.model),
    revision: textIn(body.revision),
    source: textIn(body.source),
    device: textIn(body.device),
    phases: Object.fromEntries(
      Object.entries(isRecord(body.phases) ? body.phases : {}).filter(
        (entry): entry is [string, number] => typeof entry[1] === "number",
      ),
    ),
    version: textIn(body.version),
    ...(body.retries_on_sighup === true ? { retries_on_sighup: true } : {}),
    ...parseUsage(body.usage),
  };
}

function parseUsage(value: unknown): { readonly usage?: ServiceUsage } {
  if (!isRecord(value)) return {};
  const [pictures, busy, began] = [value.pictures, value.busy_seconds, value.started_at].map(numberIn);
  if (pictures == null || busy == null || began == null) return {};
  return {
    usage: { pictures, busy_seconds: busy, started_at: began, usd_per_hour: numberIn(value.usd_per_hour) },
  };
}

function parseError(value: unknown): ServiceError | null {
  if (!isRecord(value)) return null;
  return {
    code: textIn(value.code) ?? "UNKNOWN",
    message: textIn(value.message) ?? "the service gave no reason",
    retryable: value.retryable === true,
  };
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const numberIn = (value: unknown) => (typeof value === "number" ? value : null);
const textIn = (value: unknown) => (typeof value === "string" ? value : null);
