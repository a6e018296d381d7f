import { type AwsClientConfig, sdkOptions } from "../client/client-config.ts";
import { hasAwsErrorName } from "../client/errors.ts";

export interface LogEvent {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly stream: string;
  readonly text: string;
}

/** CloudWatch Logs, for one group's events in the order of time. Errors are the SDK's own. */
export async function openLogs(config: AwsClientConfig) {
  const sdk = await import("@aws-sdk/client-cloudwatch-logs");
  const client = new sdk.CloudWatchLogsClient(sdkOptions(config));
  return {
    /** The events from `start` to `end` (milliseconds); null when there is no such group. */
    async events(group: string, start: number, end?: number): Promise<LogEvent[] | null> {
      const found: LogEvent[] = [];
      let token: string | undefined;
      try {
        do {
          const answer = await client.send(
            new sdk.FilterLogEventsCommand({
              logGroupName: group,
              startTime: start,
              ...(end === undefined ? {} : { endTime: end }),
              ...(token ? { nextToken: token } : {}),
            }),
          );
          for (const { eventId, timestamp, logStreamName, message } of answer.events ?? []) {
            found.push({
              id: eventId ?? "",
              at: timestamp ?? 0,
              stream: logStreamName ?? "",
              text: (message ?? "").replace(/\n$/, ""),
            });
          }
          token = answer.nextToken;
        } while (token);
      } catch (error) {
        if (hasAwsErrorName(error, "ResourceNotFoundException")) return null;
        throw error;
      }
      return found.sort((a, b) => a.at - b.at);
    },
  };
}

export type Logs = Awaited<ReturnType<typeof openLogs>>;
