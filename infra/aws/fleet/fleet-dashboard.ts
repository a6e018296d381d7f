import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { HEARTBEAT_METRIC, HOST_STREAM, METRICS_NAMESPACE } from "../../contract.ts";
import type { AwsHostPlan } from "../../plan/aws/host.ts";
import { graphOf, requestGraphs, widgetPlace } from "../dashboard.ts";
import type { MetricSources } from "./scaling.ts";

export interface FleetDashboardArgs {
  readonly plan: AwsHostPlan;
  readonly sources: MetricSources;
  readonly alarmArns: readonly pulumi.Output<string>[];
  readonly parent: pulumi.Resource;
}

/** A page of CloudWatch with the queue, the groups, the alarms and what the hosts' log says. */
export function createFleetDashboard(name: string, { plan, sources, alarmArns, parent }: FleetDashboardArgs) {
  const { queueName, deadLettersName, groups } = sources;
  const names = pulumi.all([queueName, deadLettersName, groups.spot.name, groups.rescue?.name ?? pulumi.output("")]);
  const facts = pulumi.all([names, pulumi.all([...alarmArns]), sources.balancer ?? pulumi.output(null)]);
  const body = facts.apply(([[queue, dead, spot, rescue], alarms, balancer]) => {
    const { region, stack, logGroup } = plan;
    const sqs = (metric: string, label: string, of = queue) => ["AWS/SQS", metric, "QueueName", of, { label }];
    const group = (metric: string, label: string, of: string) => [
      "AWS/AutoScaling",
      metric,
      "AutoScalingGroupName",
      of,
      { label },
    ];
    const own = (metric: string, label: string) => [METRICS_NAMESPACE, metric, "Stack", stack, { label }];
    const graph = graphOf(region);
    const of = [{ label: "spot", group: spot }, ...(rescue === "" ? [] : [{ label: "on demand", group: rescue }])];
    const widgets = [
      { type: "alarm", properties: { title: "Alarms", alarms } },
      graph("Jobs", [
        sqs("ApproximateNumberOfMessagesVisible", "waiting"),
        sqs("ApproximateNumberOfMessagesNotVisible", "being made"),
        sqs("ApproximateNumberOfMessagesVisible", "dead letters", dead),
      ]),
      graph("Age of the oldest job, seconds", [sqs("ApproximateAgeOfOldestMessage", "age")]),
      graph(
        "Hosts",
        of.flatMap(({ label, group: named }) => [
          group("GroupDesiredCapacity", `${label}, wanted`, named),
          group("GroupInServiceInstances", `${label}, running`, named),
        ]),
        "Average",
      ),
      graph("Jobs a minute", [sqs("NumberOfMessagesSent", "sent"), sqs("NumberOfMessagesDeleted", "done")], "Sum"),
      graph("Hosts' own", [
        own("Unhealthy", "unhealthy"),
        own("GpuLost", "GPU lost"),
        own("XidErrors", "GPU errors (Xid)"),
      ]),
      ...(balancer === null ? [] : requestGraphs(region, balancer)),
      graph("Heartbeats", [own(HEARTBEAT_METRIC, "hosts that send one")], "SampleCount"),
      {
        type: "log",
        properties: {
          title: "Latest warnings and errors",
          region,
          view: "table",
          query:
            `SOURCE '${logGroup}' | fields @timestamp, @logStream, @message ` +
            `| filter @logStream not like '${HOST_STREAM}' and @message like /WARNING: |ERROR: / | sort @timestamp desc | limit 50`,
        },
      },
    ];
    return JSON.stringify({ widgets: widgets.map((widget, index) => ({ ...widgetPlace(index), ...widget })) });
  });
  return new aws.cloudwatch.Dashboard(
    `${name}-dashboard`,
    { dashboardName: `imagegen-${plan.stack}`, dashboardBody: body },
    { parent },
  );
}
