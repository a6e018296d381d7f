import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import { METRICS_NAMESPACE } from "../contract.ts";
import { awsPartition } from "../plan/aws/arn.ts";
import type { AwsHostPlan } from "../plan/aws/host.ts";

export interface AlarmsArgs {
  readonly plan: AwsHostPlan;
  /** Of EC2's own metrics: the instance, or the group that it is in. */
  readonly dimensions: Readonly<Record<string, pulumi.Input<string>>>;
  readonly parent: pulumi.Resource;
}

interface Alarm {
  readonly name: string;
  readonly metric: string;
  readonly description: string;
  /** EC2's own metrics are of an instance, the host's are of the stack. */
  readonly from: "ec2" | "host";
  readonly threshold: number;
  readonly minutes: number;
  /** A missing value is a fault only where it is the fault that the alarm is for. */
  readonly missing: "breaching" | "notBreaching" | "ignore";
  readonly reboots?: boolean;
}

/** EC2 recovers no instance with a GPU of these kinds: a `recover` action would be an alarm that does nothing. */
const ALARMS: readonly Alarm[] = [
  {
    name: "instance-status",
    metric: "StatusCheckFailed_Instance",
    description: "The host's system does not answer: it is rebooted.",
    from: "ec2",
    threshold: 1,
    minutes: 3,
    missing: "ignore",
    reboots: true,
  },
  {
    name: "system-status",
    metric: "StatusCheckFailed_System",
    description: "Amazon's hardware under the host fails: imagegen stop, then imagegen start, moves it.",
    from: "ec2",
    threshold: 1,
    minutes: 3,
    missing: "ignore",
  },
  {
    name: "ebs-status",
    metric: "StatusCheckFailed_AttachedEBS",
    description: "A disk of the host does not answer.",
    from: "ec2",
    threshold: 1,
    minutes: 5,
    missing: "ignore",
  },
  {
    name: "data-full",
    metric: "DataUsedPercent",
    description: "/data is nearly full: imagegen cache gc, or a bigger volumeSizeGb.",
    from: "host",
    threshold: 85,
    minutes: 10,
    missing: "ignore",
  },
  {
    name: "volume-lost",
    metric: "VolumeLost",
    description: "/data is not the mounted volume: the host serves nothing.",
    from: "host",
    threshold: 1,
    minutes: 3,
    missing: "ignore",
  },
  {
    name: "gpu-lost",
    metric: "GpuLost",
    description: "The host does not see its GPU: imagegen stop, then imagegen start.",
    from: "host",
    threshold: 1,
    minutes: 3,
    missing: "ignore",
  },
  {
    name: "gpu-xid",
    metric: "XidErrors",
    description: "The GPU's driver reported an error (Xid): see the kernel's log on the host.",
    from: "host",
    threshold: 1,
    minutes: 1,
    missing: "ignore",
  },
  {
    name: "unhealthy",
    metric: "Unhealthy",
    description: "The service is not ready, and restarting it has not helped.",
    from: "host",
    threshold: 1,
    minutes: 10,
    missing: "ignore",
  },
];

/** An alarm for each way in which a host fails; they notify `alarmTopicArn`, and are in the console without one. */
export function createAlarms(name: string, { plan, dimensions, parent }: AlarmsArgs): void {
  const notify = plan.alarmTopicArn === null ? [] : [plan.alarmTopicArn];
  const reboot = `arn:${awsPartition(plan.region)}:automate:${plan.region}:ec2:reboot`;
  for (const alarm of ALARMS) {
    // An instance of a group is replaced when its checks fail, not rebooted.
    const reboots = alarm.reboots && !plan.selfHealing;
    new aws.cloudwatch.MetricAlarm(
      `${name}-${alarm.name}`,
      {
        alarmDescription: alarm.description,
        namespace: alarm.from === "ec2" ? "AWS/EC2" : METRICS_NAMESPACE,
        metricName: alarm.metric,
        dimensions: alarm.from === "ec2" ? { ...dimensions } : { Stack: plan.stack },
        statistic: "Maximum",
        comparisonOperator: "GreaterThanOrEqualToThreshold",
        threshold: alarm.threshold,
        period: 60,
        evaluationPeriods: alarm.minutes,
        treatMissingData: alarm.missing,
        alarmActions: reboots ? [reboot, ...notify] : notify,
        okActions: notify,
      },
      { parent },
    );
  }
}
