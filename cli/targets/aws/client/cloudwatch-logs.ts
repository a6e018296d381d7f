import { HOST_STREAM } from "../../../../infra/contract.ts";
import { type AwsClientConfig, sdkOptions } from "./client-config.ts";
import { hasAwsErrorName } from "./errors.ts";

/** A line in a stack's log group. */
export interface LogEvent {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The host that it is of. */
  readonly instance: string;
  /** Whether the container wrote it, or the host. */
  readonly source: "container" | "host";
  readonly text: string;
}

/** CloudWatch Logs, for one group's events in the order of time. Errors are the SDK's own. */
export async function openLogs(config: AwsClientConfig, group: string) {
  const sdk = await import("@aws-sdk/client-cloudwatch-logs");
  const client = new sdk.CloudWatchLogsClient(sdkOptions(config));
  return {
    /** The events from `start` (milliseconds since 1970), in the order of time; null when there is no such group. */
    async events(start: number): Promise<LogEvent[] | null> {
      const found: LogEvent[] = [];
      try {
        const pages = sdk.paginateFilterLogEvents({ client }, { logGroupName: group, startTime: start });
        for await (const { events = [] } of pages)
          for (const { eventId: id = "", timestamp: at = 0, message = "", logStreamName = "" } of events) {
            const source = logStreamName.endsWith(HOST_STREAM) ? "host" : "container";
            const instance = source === "host" ? logStreamName.slice(0, -HOST_STREAM.length) : logStreamName;
            found.push({ id, at, instance, source, text: message.replace(/\n$/, "") });
          }
      } catch (error) {
        if (hasAwsErrorName(error, "ResourceNotFoundException")) return null;
        throw error;
      }
      return found.sort((a, b) => a.at - b.at);
    },
  };
}

export type Logs = Awaited<ReturnType<typeof openLogs>>;
