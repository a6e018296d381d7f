import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { HEARTBEAT_METRIC, HOST_STREAM, METRICS_NAMESPACE } from "../contract.ts";
import type { AwsHostPlan } from "../plan/aws/host.ts";

export interface DashboardArgs {
  readonly plan: AwsHostPlan;
  /** Of EC2's own metrics: the instance, or the group that it is in. */
  readonly dimensions: Readonly<Record<string, pulumi.Input<string>>>;
  readonly volumeId: pulumi.Input<string>;
  readonly alarmArns: readonly pulumi.Output<string>[];
  /** Null: requests come through a tunnel, which counts none. */
  readonly loadBalancer: { readonly dimensions: pulumi.Output<LoadBalancerDimensions> } | null;
  readonly parent: pulumi.Resource;
}

/** Of a load balancer's metrics, by the names that CloudWatch has for them. */
export interface LoadBalancerDimensions {
  readonly LoadBalancer: string;
  readonly TargetGroup: string;
}

interface DashboardFacts {
  readonly stack: string;
  readonly region: string;
  readonly logGroup: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly volumeId: string;
  readonly alarmArns: readonly string[];
  readonly loadBalancer: LoadBalancerDimensions | null;
}

/** A page of CloudWatch with the host's metrics, its alarms and what its log says. */
export function createDashboard(
  name: string,
  { plan, parent, alarmArns, loadBalancer, ...host }: DashboardArgs,
): aws.cloudwatch.Dashboard {
  const { stack, region, logGroup } = plan;
  const found = pulumi.all([host.dimensions, host.volumeId, pulumi.all([...alarmArns]), loadBalancer?.dimensions]);
  const dashboardBody = found.apply(([dimensions, volumeId, alarms, balancer]) =>
    JSON.stringify(
      dashboardOf({
        stack,
        region,
        logGroup,
        dimensions,
        volumeId,
        alarmArns: alarms,
        loadBalancer: balancer ?? null,
      }),
    ),
  );
  return new aws.cloudwatch.Dashboard(
    `${name}-dashboard`,
    { dashboardName: `imagegen-${stack}`, dashboardBody },
    { parent },
  );
}

type Metric = readonly unknown[];

/** A graph of metrics of one region. */
export const graphOf =
  (region: string) =>
  (title: string, metrics: readonly Metric[], stat = "Maximum") => ({
    type: "metric",
    properties: { title, region, view: "timeSeries", stat, period: 60, metrics },
  });

/** What the clients of a load balancer get, and when. */
export function requestGraphs(region: string, balancer: LoadBalancerDimensions) {
  const graph = graphOf(region);
  const alb = (metric: string, stat: string): Metric => [
    "AWS/ApplicationELB",
    metric,
    ...Object.entries(balancer).flat(),
    { stat, label: `${metric} ${stat}` },
  ];
  return [
    graph(
      "Requests",
      ["RequestCount", "HTTPCode_Target_4XX_Count", "HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count"].map(
        (metric) => alb(metric, "Sum"),
      ),
    ),
    graph(
      "Seconds until an answer",
      ["p50", "p95", "Maximum"].map((stat) => alb("TargetResponseTime", stat)),
    ),
  ];
}

function dashboardOf(facts: DashboardFacts) {
  const { stack, region, logGroup, volumeId, alarmArns, loadBalancer } = facts;
  const own = (metric: string, label: string): Metric => [METRICS_NAMESPACE, metric, "Stack", stack, { label }];
  const ec2 = (metric: string): Metric => ["AWS/EC2", metric, ...Object.entries(facts.dimensions).flat()];
  const ebs = (metric: string): Metric => ["AWS/EBS", metric, "VolumeId", volumeId];
  const graph = graphOf(region);
  const table = (title: string, query: string) => ({
    type: "log",
    properties: { title, region, view: "table", query: `SOURCE '${logGroup}' | ${query}` },
  });
  const widgets = [
    { type: "alarm", properties: { title: "Alarms", alarms: alarmArns } },
    graph("Service", [
      own("Unhealthy", "unhealthy"),
      own(HEARTBEAT_METRIC, "heartbeat"),
      own("GpuLost", "GPU lost"),
      own("XidErrors", "GPU errors (Xid)"),
      own("VolumeLost", "volume lost"),
    ]),
    ...(loadBalancer ? requestGraphs(region, loadBalancer) : []),
    graph("/data, percent used", [own("DataUsedPercent", "used")]),
    graph("Processor", [ec2("CPUUtilization")], "Average"),
    graph("Data volume, bytes a minute", [ebs("VolumeReadBytes"), ebs("VolumeWriteBytes")], "Sum"),
    table(
      "Pictures by hour",
      `filter @logStream not like '${HOST_STREAM}' and @message like / steps\\/s/ | stats count(*) as requests by bin(1h)`,
    ),
    table(
      "Latest warnings, errors and refused requests",
      "fields @timestamp, @message | filter @message like /WARNING: |ERROR: |Request \\S+: [A-Z45]/ " +
        "| sort @timestamp desc | limit 50",
    ),
  ];
  return { widgets: widgets.map((widget, index) => ({ ...widgetPlace(index), ...widget })) };
}

/** Two beside each other, of the 24 columns that a dashboard has. */
export const widgetPlace = (index: number) => ({
  x: (index % 2) * 12,
  y: Math.floor(index / 2) * 6,
  width: 12,
  height: 6,
});
