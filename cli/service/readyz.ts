import { setTimeout as sleep } from "node:timers/promises";
import { formatBytes, formatSeconds } from "../../infra/units.ts";
import { CliError } from "../core/exit.ts";

type Phase = "starting" | "fetching" | "verifying" | "loading" | "warming" | "ready" | "failed" | "stopping";

/** The body of GET /readyz. */
export interface Readyz {
  readonly phase: Phase;
  readonly bytes_done: number;
  readonly bytes_total: number;
  readonly eta_seconds: number | null;
  readonly bytes_per_second?: number | null;
  readonly file?: string | null;
  readonly error: { code: string; message: string; retryable: boolean } | null;
  readonly model?: string | null;
  readonly revision?: string | null;
  readonly source?: string | null;
  readonly device?: string | null;
  readonly phases?: Readonly<Record<string, number>>;
  readonly version?: string;
}

/** One look at the service; null when nothing that speaks our contract answers within `timeoutMs`. */
export async function readReadyz(url: string, timeoutMs = 2000, signal?: AbortSignal): Promise<Readyz | null> {
  const limit = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(new URL("/readyz", url), {
      signal: signal ? AbortSignal.any([limit, signal]) : limit,
    });
    const body: unknown = await response.json();
    return isReadyz(body) ? body : null;
  } catch {
    signal?.throwIfAborted();
    return null;
  }
}

/** What to show of a start-up: one line, and how far along the download is (0 to 1) while there is one. */
export function renderReadyz(state: Readyz): { text: string; fraction?: number } {
  if (state.phase === "fetching" && state.bytes_total > 0) {
    const parts = [`fetching ${state.model ?? "the model"}`];
    parts.push(`${formatBytes(state.bytes_done)} of ${formatBytes(state.bytes_total)}`);
    if (state.bytes_per_second) parts.push(`${formatBytes(state.bytes_per_second)}/s`);
    if (state.eta_seconds !== null) parts.push(`${formatSeconds(state.eta_seconds)} left`);
    if (state.error) parts.push(`trying again: ${state.error.message}`);
    return { text: parts.join(" · "), fraction: state.bytes_done / state.bytes_total };
  }
  if (state.phase === "failed" && state.error) return { text: `failed: ${state.error.message}` };
  const texts: Record<Phase, string> = {
    starting: "starting",
    fetching: "looking up the model's files",
    verifying: "verifying the model's files",
    loading: `loading the model${state.device ? ` to ${state.device}` : ""}`,
    warming: "making a first picture",
    ready: `ready on ${state.device ?? "its device"}`,
    failed: "failed",
    stopping: "stopping",
  };
  const text = texts[state.phase];
  return { text: state.error ? `${text} · trying again: ${state.error.message}` : text };
}

export interface WaitOptions {
  /** Seconds until giving up. */
  readonly timeoutSeconds: number;
  readonly signal?: AbortSignal | undefined;
  readonly onState?: (state: Readyz | null) => void;
  /** Called between two looks; what it throws ends the wait (the process has died, say). */
  readonly check?: () => void | Promise<void>;
  /** Seconds between two looks. */
  readonly everySeconds?: number;
  /** Seconds for which a retryable failure may last before it counts. */
  readonly patienceSeconds?: number;
}

/** Waits until the service is ready. Throws a CliError with the service's own reason, or on time-out. */
export async function waitUntilReady(url: string, options: WaitOptions): Promise<Readyz> {
  const { timeoutSeconds, signal, onState, check, everySeconds = 0.5, patienceSeconds = 120 } = options;
  const now = () => performance.now() / 1000;
  const end = now() + timeoutSeconds;
  let failingSince: number | undefined;
  let last: Readyz | null = null;
  while (now() < end) {
    last = await readReadyz(url, 2000, signal);
    onState?.(last);
    if (last?.phase === "ready") return last;
    if (last?.phase === "failed") {
      failingSince ??= now();
      const lasting = now() - failingSince >= patienceSeconds;
      if (!last.error?.retryable || lasting) throw new CliError(last.error?.message ?? "The service failed to start.");
    } else failingSince = undefined;
    await check?.();
    await sleep(everySeconds * 1000, undefined, signal ? { signal } : {});
  }
  const where = last ? `still ${renderReadyz(last).text}` : "nothing answers";
  throw new CliError(`Not ready after ${formatSeconds(timeoutSeconds)} at ${url} (${where}). See \`imagegen logs\`.`);
}

function isReadyz(body: unknown): body is Readyz {
  return typeof body === "object" && body !== null && "phase" in body && "bytes_total" in body;
}
