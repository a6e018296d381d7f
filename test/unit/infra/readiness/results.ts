import { type ProbeResult, parseReadyState } from "../../../../infra/readiness/probe-result.ts";

/** The body of `/readyz` as image-gen gives it, with the differences named. */
export function body(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    phase: "starting",
    bytes_done: 0,
    bytes_total: 0,
    eta_seconds: null,
    error: null,
    model: "org/model",
    revision: null,
    source: null,
    device: "cpu",
    ...fields,
  };
}

/** A response of image-gen with such a body. */
export function response({ status = 503, ...fields }: { status?: number } & Record<string, unknown> = {}): ProbeResult {
  return { kind: "response", status, state: parseReadyState(body(fields)) };
}

/** A response of something else. */
export const otherService = (status = 200): ProbeResult => ({ kind: "response", status, state: null });

export const refused: ProbeResult = { kind: "no-response", reason: "ECONNREFUSED" };
