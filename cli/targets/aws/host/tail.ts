import { setTimeout as sleep } from "node:timers/promises";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import { explainAws } from "../client/errors.ts";
import { openStack } from "../stack/stack.ts";
import { type LogEvent, type Logs, openLogs } from "./logs.ts";

const MINUTE = 60_000;
/** How far back to look for the last lines, widening until there are enough (milliseconds). */
const WINDOWS = [10 * MINUTE, 60 * MINUTE, 24 * 60 * MINUTE, 7 * 24 * 60 * MINUTE];
/** CloudWatch takes events in late, so what is followed is read again from so far back. */
const LATE_MS = 30_000;

interface Tail {
  readonly group: string;
  readonly lines: number;
  readonly signal: AbortSignal;
  readonly write: (text: string) => void;
  readonly everySeconds?: number;
  readonly now?: () => number;
}

/** Writes the last lines of a log group; with `follow` also what comes, until the signal. */
async function tail(logs: Logs, { follow, ...options }: Tail & { follow: boolean }): Promise<void> {
  const { group, lines, signal, write, everySeconds = 2, now = Date.now } = options;
  const doing = `reading the log group ${group}`;
  const shown = new Map<string, number>();
  const show = (events: readonly LogEvent[], most = events.length) => {
    const fresh = events.filter(({ id }) => !shown.has(id));
    for (const { id, at } of events) shown.set(id, at);
    for (const { text } of most === 0 ? [] : fresh.slice(-most)) write(`${text}\n`);
  };
  try {
    show(await lastEvents(logs, group, lines, now), lines);
    let seen = now();
    while (follow && !signal.aborted) {
      await sleep(everySeconds * 1000, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      const from = seen - LATE_MS;
      seen = now();
      show((await logs.events(group, from)) ?? []);
      for (const [id, at] of shown) if (at < from - LATE_MS) shown.delete(id);
    }
  } catch (error) {
    throw explainAws(error, doing);
  }
}

/** All events of the smallest window that has enough lines. */
async function lastEvents(logs: Logs, group: string, lines: number, now: () => number): Promise<LogEvent[]> {
  let found: LogEvent[] = [];
  for (const window of WINDOWS) {
    const events = await logs.events(group, now() - window);
    if (events === null) throw new CliError(`There is no log group ${group}: imagegen up`, EXIT.notRunning);
    found = events;
    if (found.length >= lines) break;
  }
  return found;
}

/** `logs` of a stack in AWS: what the container and the host's units wrote, on stdout. */
export async function awsLogs(context: Context, { lines, follow }: { lines: number; follow: boolean }): Promise<void> {
  const { outputs, access } = await openStack(context);
  const write = (text: string) => void process.stdout.write(text);
  await tail(await openLogs(access), { group: outputs.logGroup, lines, follow, signal: context.signal, write });
}
