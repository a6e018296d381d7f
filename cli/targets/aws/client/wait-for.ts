import { setTimeout as sleep } from "node:timers/promises";
import { formatSeconds } from "../../../../infra/units.ts";
import { CliError } from "../../../core/exit.ts";

/** Polls until `poll` returns something. Throws a CliError about `what` after `timeoutSeconds`. */
export async function waitFor<T>(
  what: string,
  { signal, timeoutSeconds, everySeconds }: { signal: AbortSignal; timeoutSeconds: number; everySeconds: number },
  poll: () => Promise<T | undefined>,
): Promise<T> {
  const end = performance.now() + timeoutSeconds * 1000;
  for (;;) {
    const found = await poll();
    if (found !== undefined) return found;
    if (performance.now() + everySeconds * 1000 > end)
      throw new CliError(`${what}: timeout after ${formatSeconds(timeoutSeconds)}.`);
    await sleep(everySeconds * 1000, undefined, { signal });
  }
}
