import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import { METRICS_NAMESPACE } from "../../contract.ts";
import type { AwsHostPlan } from "../../plan/aws/host.ts";

/** What hosts say of themselves, of all of them together. */
const ALARMS = [
  { name: "gpu-lost", metric: "GpuLost", description: "A host has lost its GPU.", threshold: 1, minutes: 3 },
  {
    name: "gpu-xid",
    metric: "XidErrors",
    description: "A GPU's driver reported an error (Xid).",
    threshold: 1,
    minutes: 1,
  },
  {
    name: "unhealthy",
    metric: "Unhealthy",
    description: "A worker is not ready, and a restart did not help.",
    threshold: 1,
    minutes: 10,
  },
  {
    name: "data-full",
    metric: "DataUsedPercent",
    description: "The instance store of a host is nearly full.",
    threshold: 85,
    minutes: 10,
  },
] as const;

/** An alarm for each way in which a host fails, whichever it is: the log says which. Their ARNs. */
export function createHostAlarms(name: string, plan: AwsHostPlan, parent: pulumi.Resource): pulumi.Output<string>[] {
  const notify = plan.alarmTopicArn === null ? [] : [plan.alarmTopicArn];
  return ALARMS.map(
    ({ name: own, metric, description, threshold, minutes }) =>
      new aws.cloudwatch.MetricAlarm(
        `${name}-${own}`,
        {
          alarmDescription: `${description} Its log group: ${plan.logGroup}`,
          namespace: METRICS_NAMESPACE,
          metricName: metric,
          dimensions: { Stack: plan.stack },
          statistic: "Maximum",
          comparisonOperator: "GreaterThanOrEqualToThreshold",
          threshold,
          period: 60,
          evaluationPeriods: minutes,
          // A fleet without hosts says nothing.
          treatMissingData: "notBreaching",
          alarmActions: notify,
          okActions: notify,
        },
        { parent },
      ).arn,
  );
}
