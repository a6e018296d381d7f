/** What the host writes about itself into `<prefix>/ready`. */
export interface HostRecord {
  /** Id of the deployment that it runs. */
  readonly deployment: string;
  readonly instance: string;
  /** When it was written, by the host's clock. */
  readonly at: string;
  /** `booting`, `volume`, `pulling`, `starting`, a phase of `/readyz`, `ready` or `failed`. */
  readonly phase: string;
  /** The body of `/readyz`, once something answers there. */
  readonly ready: unknown;
  readonly error: string | null;
  /** The last lines of its log. */
  readonly log: readonly string[];
}

/** Reads the parameter's value; null when it is not such a record. */
export function readHostRecord(text: string): HostRecord | null {
  const found = parsed(text);
  if (typeof found !== "object" || found === null) return null;
  const { schema, deployment, instance, at, phase, ready, error, log } = found as Record<string, unknown>;
  if (schema !== 1 || typeof phase !== "string" || typeof instance !== "string" || typeof at !== "string") return null;
  return {
    deployment: typeof deployment === "string" ? deployment : "",
    instance,
    at,
    phase,
    ready: ready ?? null,
    error: typeof error === "string" ? error : null,
    log: Array.isArray(log) ? log.filter((line) => typeof line === "string") : [],
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
