import { setTimeout as sleep } from "node:timers/promises";
import { notRunning } from "../../../core/command-line.ts";
import type { Context } from "../../../core/context.ts";
import type { LogsOptions } from "../../target.ts";
import { type AwsClientConfig, sdkOptions } from "../client/client-config.ts";
import { hasAwsErrorName, toCliError } from "../client/errors.ts";
import { openStack } from "../stack/stack.ts";

const MINUTE = 60_000;
/** How far back to search for the last lines, widening until there are enough (milliseconds). */
const WINDOWS = [10 * MINUTE, 60 * MINUTE, 24 * 60 * MINUTE, 7 * 24 * 60 * MINUTE];
/** CloudWatch ingests events late: each read starts this much before the last one. */
const LATE_MS = 30_000;

const POLL_MS = 2_000;

/** Prints the last lines that the container and the host's units wrote; with `follow` also new ones, until Ctrl-C. */
export async function printLogs(context: Context, { lines, follow, write }: LogsOptions): Promise<void> {
  const { signal } = context;
  const { state, client, name } = await openStack(context);
  const { logGroup } = state;
  const logs = await openLogs(client);
  const shown = new Map<string, number>();
  const show = (events: readonly LogEvent[], most = events.length) => {
    const fresh = events.filter(({ id }) => !shown.has(id));
    for (const { id, at } of events) shown.set(id, at);
    for (const { text } of most === 0 ? [] : fresh.slice(-most)) write(`${text}\n`);
  };
  try {
    const last = await lastEvents(logs, logGroup, lines);
    if (last === null) throw notRunning(name, `There is no log group ${logGroup}.`);
    show(last, lines);
    let seen = Date.now();
    while (follow && !signal.aborted) {
      await sleep(POLL_MS, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      const from = seen - LATE_MS;
      seen = Date.now();
      show((await logs.events(logGroup, from)) ?? []);
      for (const [id, at] of shown) if (at < from - LATE_MS) shown.delete(id);
    }
  } catch (error) {
    throw toCliError(error, `reading the log group ${logGroup}`);
  }
}

/** All events of the smallest window that has enough lines; null when there is no such group. */
async function lastEvents(logs: Logs, group: string, lines: number): Promise<LogEvent[] | null> {
  let found: LogEvent[] | null = null;
  for (const window of WINDOWS) {
    found = await logs.events(group, Date.now() - window);
    if (found === null || found.length >= lines) break;
  }
  return found;
}

/** CloudWatch Logs, for one group's events in the order of time. Errors are the SDK's own. */
async function openLogs(config: AwsClientConfig) {
  const sdk = await import("@aws-sdk/client-cloudwatch-logs");
  const client = new sdk.CloudWatchLogsClient(sdkOptions(config));
  return {
    /** The events from `start` (milliseconds since 1970), in the order of time; null when there is no such group. */
    async events(group: string, start: number) {
      const found: { id: string; at: number; text: string }[] = [];
      try {
        const pages = sdk.paginateFilterLogEvents({ client }, { logGroupName: group, startTime: start });
        for await (const { events = [] } of pages)
          for (const { eventId: id = "", timestamp: at = 0, message = "" } of events)
            found.push({ id, at, text: message.replace(/\n$/, "") });
      } catch (error) {
        if (hasAwsErrorName(error, "ResourceNotFoundException")) return null;
        throw error;
      }
      return found.sort((a, b) => a.at - b.at);
    },
  };
}

type Logs = Awaited<ReturnType<typeof openLogs>>;
type LogEvent = NonNullable<Awaited<ReturnType<Logs["events"]>>>[number];
