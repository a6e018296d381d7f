/** What came back from one request to `/readyz`. */
export type Answer =
  | { readonly kind: "none"; readonly reason: string }
  | { readonly kind: "http"; readonly status: number; readonly body: unknown };

/** The parts of `/readyz` that the gate reads. */
export interface ReadyState {
  readonly phase: string;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly etaSeconds: number | null;
  readonly error: ServiceError | null;
  readonly model: string;
  readonly device: string | null;
  readonly source: string | null;
}

export interface ServiceError {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
}

/** Reads the body of `/readyz`; null when it is not an image-gen service that answered. */
export function readReadyState(body: unknown): ReadyState | null {
  if (typeof body !== "object" || body === null) return null;
  const fields = body as Record<string, unknown>;
  if (typeof fields.phase !== "string" || !("error" in fields) || !("model" in fields)) return null;
  return {
    phase: fields.phase,
    bytesDone: numberOr(fields.bytes_done, 0),
    bytesTotal: numberOr(fields.bytes_total, 0),
    etaSeconds: typeof fields.eta_seconds === "number" ? fields.eta_seconds : null,
    error: readError(fields.error),
    model: textOr(fields.model) ?? "",
    device: textOr(fields.device),
    source: textOr(fields.source),
  };
}

function readError(value: unknown): ServiceError | null {
  if (typeof value !== "object" || value === null) return null;
  const fields = value as Record<string, unknown>;
  return {
    code: textOr(fields.code) ?? "UNKNOWN",
    message: textOr(fields.message) ?? "the service gave no reason",
    retryable: fields.retryable === true,
  };
}

const numberOr = (value: unknown, other: number) => (typeof value === "number" ? value : other);
const textOr = (value: unknown) => (typeof value === "string" ? value : null);
