import { setTimeout as sleep } from "node:timers/promises";
import { HOST_STREAM } from "../../../../infra/contract.ts";
import { commandFor, notRunning } from "../../../core/command-line.ts";
import type { Context } from "../../../core/context.ts";
import type { LogsOptions } from "../../target.ts";
import { type AwsClientConfig, sdkOptions } from "../client/client-config.ts";
import { hasAwsErrorName, toCliError } from "../client/errors.ts";
import { type AwsStack, findHost, openStack } from "../stack/stack.ts";

const MINUTE = 60_000;
/** How far back to search for the last lines, widening until there are enough (milliseconds). */
const WINDOWS = [10 * MINUTE, 60 * MINUTE, 24 * 60 * MINUTE, 7 * 24 * 60 * MINUTE];
const LONGEST = "the last 7 days";
/** CloudWatch ingests events late: each read starts this much before the last one. */
const LATE_MS = 30_000;

const POLL_MS = 2_000;

/**
 * Prints the last lines that the container and the host wrote; with `follow` also new ones, until Ctrl-C. Of a host that
 * sent none, its console.
 */
export async function printLogs(context: Context, options: LogsOptions): Promise<void> {
  const { signal, progress } = context;
  const { lines, follow, from, write } = options;
  const stack = await openStack(context);
  const { logGroup } = stack.state;
  const logs = await openLogs(stack.client, logGroup, from);
  const shown = new Map<string, number>();
  const show = (events: readonly LogEvent[], most = events.length) => {
    const fresh = events.filter(({ id }) => !shown.has(id));
    for (const { id, at } of events) shown.set(id, at);
    for (const { text } of most === 0 ? [] : fresh.slice(-most)) write(`${text}\n`);
  };
  try {
    const last = await lastEvents(logs, lines);
    if (last === null || (last.length === 0 && from !== "container")) {
      const hasHost = await printConsole(stack, options, progress.log);
      if (last === null && !hasHost) throw notRunning(stack.name, `There is no log group ${logGroup}.`);
      if (!hasHost)
        progress.log(
          `The stack ${stack.name} has no host, and no line of one in ${LONGEST}. Fix: ${commandFor(stack.name, "up")}`,
        );
    } else if (last.length === 0) progress.log(`The container has written no line in ${LONGEST}.`);
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

/** A host that does not get as far as sending its journal says why there alone. False: there is no host. */
async function printConsole(stack: AwsStack, { lines, write }: LogsOptions, log: (text: string) => void) {
  const host = await findHost(stack);
  if (!host) return false;
  const text = await stack.ec2.console(host.id).catch((error: unknown) => {
    throw toCliError(error, `reading the console of ${host.id}`);
  });
  const printed = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  const what = printed.length > 0 ? "this is its console" : "EC2 has nothing of its console yet";
  log(`The host ${host.id} (${host.state}) has sent no line of its own: ${what}.`);
  for (const line of lines === 0 ? [] : printed.slice(-lines)) write(`[console] ${line}\n`);
  return true;
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

/** CloudWatch Logs, for one group's events in the order of time. Errors are the SDK's own. */
async function openLogs(config: AwsClientConfig, group: string, from: LogsOptions["from"]) {
  const sdk = await import("@aws-sdk/client-cloudwatch-logs");
  const client = new sdk.CloudWatchLogsClient(sdkOptions(config));
  return {
    /** The events from `start` (milliseconds since 1970), in the order of time; null when there is no such group. */
    async events(start: number) {
      const found: { id: string; at: number; text: string }[] = [];
      try {
        const pages = sdk.paginateFilterLogEvents({ client }, { logGroupName: group, startTime: start });
        for await (const { events = [] } of pages)
          for (const { eventId: id = "", timestamp: at = 0, message = "", logStreamName = "" } of events) {
            const source = logStreamName.endsWith(HOST_STREAM) ? "host" : "container";
            if (from !== null && source !== from) continue;
            const prefix = from === null && source === "host" ? "[host] " : "";
            found.push({ id, at, text: `${prefix}${message.replace(/\n$/, "")}` });
          }
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
