import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import { HEARTBEAT_METRIC, METRICS_NAMESPACE } from "../contract.ts";
import type { Fixes } from "../fixes.ts";
import { awsPartition } from "../plan/aws/arn.ts";
import type { AwsHostPlan } from "../plan/aws/host.ts";

export interface AlarmsArgs {
  readonly plan: AwsHostPlan;
  /** Of EC2's own metrics: the instance, or the group that it is in. */
  readonly dimensions: Readonly<Record<string, pulumi.Input<string>>>;
  readonly fixes: Fixes["host"];
  readonly parent: pulumi.Resource;
}

interface Alarm {
  readonly name: string;
  readonly metric: string;
  readonly description: string;
  readonly fix?: "restart" | "makeRoom";
  readonly threshold?: number;
  readonly minutes: number;
}

/**
 * EC2's own metrics, of the instance. Amazon recovers no instance with a GPU of these kinds: a `recover` action would be
 * an alarm that does nothing.
 */
const INSTANCE_ALARMS: readonly Alarm[] = [
  {
    name: "instance-status",
    metric: "StatusCheckFailed_Instance",
    description: "The host's system does not respond: it is rebooted.",
    minutes: 3,
  },
  {
    name: "system-status",
    metric: "StatusCheckFailed_System",
    description: "Amazon's hardware under the host fails.",
    fix: "restart",
    minutes: 3,
  },
  {
    name: "ebs-status",
    metric: "StatusCheckFailed_AttachedEBS",
    description: "A disk of the host does not respond.",
    minutes: 5,
  },
];

/** The host's own metrics, of the stack. */
const HOST_ALARMS: readonly Alarm[] = [
  {
    name: "data-full",
    metric: "DataUsedPercent",
    description: "/data is nearly full.",
    fix: "makeRoom",
    threshold: 85,
    minutes: 10,
  },
  {
    name: "volume-lost",
    metric: "VolumeLost",
    description: "/data is not the mounted volume: the host serves nothing.",
    minutes: 3,
  },
  {
    name: "gpu-lost",
    metric: "GpuLost",
    description: "The host has lost its GPU.",
    fix: "restart",
    minutes: 3,
  },
  {
    name: "gpu-xid",
    metric: "XidErrors",
    description: "The GPU's driver reported an error (Xid): see the kernel's log on the host.",
    minutes: 1,
  },
  {
    name: "unhealthy",
    metric: "Unhealthy",
    description: "The service is not ready, and a restart did not help.",
    minutes: 10,
  },
];

/** An alarm for each way in which a host fails; they notify `alarmTopicArn`, and are in the console without one. Their ARNs. */
export function createAlarms(name: string, { plan, dimensions, fixes, parent }: AlarmsArgs): pulumi.Output<string>[] {
  const notify = plan.alarmTopicArn === null ? [] : [plan.alarmTopicArn];
  const reboot = `arn:${awsPartition(plan.region)}:automate:${plan.region}:ec2:reboot`;
  const create = (alarm: Alarm, namespace: string, of: Record<string, pulumi.Input<string>>, actions: string[]) =>
    new aws.cloudwatch.MetricAlarm(
      `${name}-${alarm.name}`,
      {
        alarmDescription: `${alarm.description}${alarm.fix ? ` Fix: ${fixes[alarm.fix]}` : ""}`,
        namespace,
        metricName: alarm.metric,
        dimensions: of,
        statistic: "Maximum",
        comparisonOperator: "GreaterThanOrEqualToThreshold",
        threshold: alarm.threshold ?? 1,
        period: 60,
        evaluationPeriods: alarm.minutes,
        treatMissingData: "ignore",
        alarmActions: actions,
        okActions: notify,
      },
      { parent },
    );
  const ofInstance = INSTANCE_ALARMS.map((alarm) => {
    // An instance of a group is replaced when its checks fail, not rebooted.
    const reboots = alarm.name === "instance-status" && !plan.selfHealing;
    return create(alarm, "AWS/EC2", { ...dimensions }, reboots ? [reboot, ...notify] : notify);
  });
  const ofHost = HOST_ALARMS.map((alarm) => create(alarm, METRICS_NAMESPACE, { Stack: plan.stack }, notify));
  const heartbeat = createHeartbeatAlarm(name, { plan, fixes, parent }, notify);
  return [...ofInstance, ...ofHost, heartbeat].map(({ arn }) => arn);
}

/** Longer than a host takes to boot, to be replaced, or to be stopped and started again. */
const SILENT_MINUTES = 15;

/**
 * A host that was terminated, or whose scripts have ended, sends nothing, and every other alarm stays as it was. One that stops
 * itself when it is idle is silent each time, which is no reason to notify anybody.
 */
function createHeartbeatAlarm(name: string, { plan, fixes, parent }: Omit<AlarmsArgs, "dimensions">, notify: string[]) {
  const actions = plan.idleStopMinutes > 0 ? [] : notify;
  return new aws.cloudwatch.MetricAlarm(
    `${name}-heartbeat`,
    {
      alarmDescription: `No sign of the host for ${SILENT_MINUTES} minutes: it is stopped or terminated, or its scripts do not run. Fix: ${fixes.status}`,
      namespace: METRICS_NAMESPACE,
      metricName: HEARTBEAT_METRIC,
      dimensions: { Stack: plan.stack },
      statistic: "SampleCount",
      comparisonOperator: "LessThanThreshold",
      threshold: 1,
      period: 60,
      evaluationPeriods: SILENT_MINUTES,
      treatMissingData: "breaching",
      alarmActions: actions,
      okActions: actions,
    },
    { parent },
  );
}
