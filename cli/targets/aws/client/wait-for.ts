import { setTimeout as sleep } from "node:timers/promises";
import { formatSeconds } from "../../../../infra/units.ts";
import { CliError } from "../../../core/exit.ts";

/** How long to wait for what, and how often to look. Seconds. */
export interface Patience {
  readonly signal: AbortSignal;
  readonly timeoutSeconds: number;
  readonly everySeconds: number;
}

/** Looks until `look` gives something. Throws a CliError after `timeoutSeconds`: `what` was waited for. */
export async function until<T>(
  what: string,
  { signal, timeoutSeconds, everySeconds }: Patience,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const end = performance.now() + timeoutSeconds * 1000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() + everySeconds * 1000 > end)
      throw new CliError(`${what}: not within ${formatSeconds(timeoutSeconds)}.`);
    await sleep(everySeconds * 1000, undefined, { signal });
  }
}
