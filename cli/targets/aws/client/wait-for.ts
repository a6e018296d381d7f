import { setTimeout as sleep } from "node:timers/promises";
import { formatSeconds } from "../../../../infra/units.ts";
import { CliError } from "../../../core/exit.ts";

interface WaitOptions {
  readonly signal: AbortSignal;
  readonly timeoutSeconds: number;
  readonly everySeconds: number;
  /** What to do after the timeout. */
  readonly fix?: string;
}

/** Polls until `poll` returns something. Throws a CliError about `what` after `timeoutSeconds`. */
export async function waitFor<T>(
  what: string,
  { signal, timeoutSeconds, everySeconds, fix }: WaitOptions,
  poll: () => Promise<T | undefined>,
): Promise<T> {
  const end = performance.now() + timeoutSeconds * 1000;
  for (;;) {
    const found = await poll();
    if (found !== undefined) return found;
    if (performance.now() + everySeconds * 1000 > end)
      throw new CliError({ message: `${what}: timeout after ${formatSeconds(timeoutSeconds)}.`, fix });
    await sleep(everySeconds * 1000, undefined, { signal });
  }
}
