import { setTimeout as sleep } from "node:timers/promises";
import { commandFor, notRunning } from "../../../core/command-line.ts";
import type { Context } from "../../../core/context.ts";
import type { HostInfo, LogsOptions } from "../../target.ts";
import type { AwsClientConfig } from "../client/client-config.ts";
import { type LogEvent, type Logs, openLogs } from "../client/cloudwatch-logs.ts";
import type { Ec2 } from "../client/ec2.ts";
import { toCliError } from "../client/errors.ts";
import { findHost, openStack } from "../stack/stack.ts";

const MINUTE = 60_000;
/** How far back to search for the last lines, widening until there are enough (milliseconds). */
const WINDOWS = [10 * MINUTE, 60 * MINUTE, 24 * 60 * MINUTE, 7 * 24 * 60 * MINUTE];
export const LONGEST_WINDOW = "the last 7 days";
/** CloudWatch ingests events late: each read starts this much before the last one. */
const LATE_MS = 30_000;

const POLL_MS = 2_000;

/**
 * Prints the last lines that the container and the host wrote; with `follow` also new ones, until Ctrl-C. Of a host that
 * sent none, its console.
 */
export async function printLogs(context: Context, options: LogsOptions): Promise<void> {
  const { progress } = context;
  const { from } = options;
  const stack = await openStack(context);
  const { logGroup } = stack.state;
  await printGroup(context, { client: stack.client, logGroup }, options, {
    prefixOf: ({ source }) => (from === null && source === "host" ? "[host] " : ""),
    async onNone(exists) {
      if (exists && from === "container") {
        progress.log(`The container has written no line in ${LONGEST_WINDOW}.`);
        return;
      }
      const host = await findHost(stack);
      if (host) return printConsole(stack.ec2, host, options, { prefix: "[console] ", log: progress.log });
      if (!exists) throw notRunning(stack.name, `There is no log group ${logGroup}.`);
      progress.log(
        `The stack ${stack.name} has no host, and no line of one in ${LONGEST_WINDOW}. Fix: ${commandFor(stack.name, "up")}`,
      );
    },
  });
}

interface GroupPrinter {
  prefixOf(event: LogEvent): string;
  /** Before anything is printed, where there is no line; `exists`: whether there is such a log group. */
  onNone(exists: boolean): Promise<void>;
}

/** Prints the last lines of a log group; with `follow` also new ones, until Ctrl-C. */
export async function printGroup(
  { signal }: Pick<Context, "signal">,
  { client, logGroup }: { readonly client: AwsClientConfig; readonly logGroup: string },
  { lines, follow, from, write }: LogsOptions,
  { prefixOf, onNone }: GroupPrinter,
): Promise<void> {
  const all = await openLogs(client, logGroup);
  const logs: Logs = {
    async events(start) {
      return (await all.events(start))?.filter(({ source }) => from === null || source === from) ?? null;
    },
  };
  const shown = new Map<string, number>();
  const show = (events: readonly LogEvent[], most = events.length) => {
    const fresh = events.filter(({ id }) => !shown.has(id));
    for (const { id, at } of events) shown.set(id, at);
    for (const event of most === 0 ? [] : fresh.slice(-most)) write(`${prefixOf(event)}${event.text}\n`);
  };
  try {
    const last = await lastEvents(logs, lines);
    if (last === null || last.length === 0) await onNone(last !== null);
    show(last ?? [], lines);
    let seen = Date.now();
    while (follow && !signal.aborted) {
      await sleep(POLL_MS, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      const since = seen - LATE_MS;
      seen = Date.now();
      show((await logs.events(since)) ?? []);
      for (const [id, at] of shown) if (at < since - LATE_MS) shown.delete(id);
    }
  } catch (error) {
    throw toCliError(error, `reading the log group ${logGroup}`);
  }
}

/** A host that does not get as far as sending its journal says why there alone. */
export async function printConsole(
  ec2: Pick<Ec2, "console">,
  { id, state }: Pick<HostInfo, "id" | "state">,
  { lines, write }: LogsOptions,
  { prefix, log }: { readonly prefix: string; readonly log: (line: string) => void },
): Promise<void> {
  const text = await ec2.console(id).catch((error: unknown) => {
    throw toCliError(error, `reading the console of ${id}`);
  });
  const printed = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  const what = printed.length > 0 ? "this is its console" : "EC2 has nothing of its console yet";
  log(`The host ${id} (${state}) has sent no line of its own: ${what}.`);
  for (const line of lines === 0 ? [] : printed.slice(-lines)) write(`${prefix}${line}\n`);
}

/** All events of the smallest window that has enough lines; null when there is no such group. */
async function lastEvents(logs: Logs, lines: number): Promise<LogEvent[] | null> {
  let found: LogEvent[] | null = null;
  for (const window of WINDOWS) {
    found = await logs.events(Date.now() - window);
    if (found === null || found.length >= lines) break;
  }
  return found;
}
