import type { Answer } from "../../../../infra/readiness/probe-result.ts";

/** A `/readyz` answer as image-gen gives it, with the differences named. */
export function answer({ status = 503, ...fields }: { status?: number } & Record<string, unknown> = {}): Answer {
  const body = {
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
  return { kind: "http", status, body };
}

export const refused: Answer = { kind: "none", reason: "ECONNREFUSED" };
