import { type AwsClientConfig, sdkOptions } from "./client-config.ts";

/** A metric of one resource. */
interface Metric {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
}

const PERIOD_S = 60;

/** CloudWatch's metrics. Errors are the SDK's own. */
export async function openCloudWatch(config: AwsClientConfig) {
  const sdk = await import("@aws-sdk/client-cloudwatch");
  const client = new sdk.CloudWatchClient(sdkOptions(config));
  return {
    /** The largest value of the latest minute that has one, of the last `minutes`; null without any. */
    async latest({ namespace, name, dimensions }: Metric, minutes: number): Promise<number | null> {
      const now = Date.now();
      const { Datapoints = [] } = await client.send(
        new sdk.GetMetricStatisticsCommand({
          Namespace: namespace,
          MetricName: name,
          Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
          StartTime: new Date(now - minutes * PERIOD_S * 1000),
          EndTime: new Date(now),
          Period: PERIOD_S,
          Statistics: ["Maximum"],
        }),
      );
      const byTime = Datapoints.sort((a, b) => (b.Timestamp?.getTime() ?? 0) - (a.Timestamp?.getTime() ?? 0));
      return byTime[0]?.Maximum ?? null;
    },
  };
}
