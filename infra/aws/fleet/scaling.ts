import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { FleetAlarm, FleetGroup, ScalingPlan, ScalingPolicy, Series, Trigger } from "../../plan/fleet/scaling.ts";
import type { LoadBalancerDimensions } from "../dashboard.ts";
import type { Groups } from "./groups.ts";

/** Where the figures come from. */
export interface MetricSources {
  readonly queueName: pulumi.Output<string>;
  readonly deadLettersName: pulumi.Output<string>;
  readonly groups: Groups;
  /** Null without a gateway. */
  readonly balancer: pulumi.Output<LoadBalancerDimensions> | null;
}

export interface ScalingArgs extends MetricSources {
  readonly plan: ScalingPlan;
  readonly warmUpSeconds: number;
  readonly parent: pulumi.Resource;
}

const PERIOD = 60;
const COMPARISONS = {
  "at least": "GreaterThanOrEqualToThreshold",
  "at most": "LessThanOrEqualToThreshold",
  below: "LessThanThreshold",
} as const;

/** The policies of the plan, and the alarms that start them. */
export function createScaling(name: string, args: ScalingArgs): void {
  const { plan, parent } = args;
  for (const { name: rule, when, trigger, policies } of plan.rules) {
    const actions = policies.flatMap((policy) => createPolicy(name, policy, args)?.arn ?? []);
    createAlarm(`${name}-${rule}`, { description: when, trigger, actions, notify: [], sources: args, parent });
  }
  createTracking(name, args);
}

/** Undefined where the plan's groups are others than those that are there, which can't be. */
function createPolicy(
  name: string,
  { name: own, group, action }: ScalingPolicy,
  { groups, warmUpSeconds, parent }: ScalingArgs,
): aws.autoscaling.Policy | undefined {
  const of = groups[group];
  if (!of) return undefined;
  const behaviour: Omit<aws.autoscaling.PolicyArgs, "autoscalingGroupName"> =
    action.kind === "steps"
      ? {
          policyType: "StepScaling",
          adjustmentType: "ChangeInCapacity",
          metricAggregationType: "Maximum",
          // A host on its way counts, so that the same alarm calls no second one.
          estimatedInstanceWarmup: warmUpSeconds,
          stepAdjustments: action.steps.map(({ from, to, hosts }) => ({
            metricIntervalLowerBound: String(from),
            ...(to === null ? {} : { metricIntervalUpperBound: String(to) }),
            scalingAdjustment: hosts,
          })),
        }
      : {
          policyType: "SimpleScaling",
          adjustmentType: action.kind === "be" ? "ExactCapacity" : "ChangeInCapacity",
          scalingAdjustment: action.hosts,
          cooldown: action.cooldownSeconds,
        };
  return new aws.autoscaling.Policy(`${name}-${own}`, { autoscalingGroupName: of.name, ...behaviour }, { parent });
}

/** Only out: a figure by the host falls to nothing as soon as no job waits, and would end hosts that work. */
function createTracking(name: string, args: ScalingArgs): void {
  const { plan, warmUpSeconds, groups, parent } = args;
  const { tracking } = plan;
  new aws.autoscaling.Policy(
    `${name}-${tracking.name}`,
    {
      autoscalingGroupName: groups[tracking.group]?.name ?? groups.spot.name,
      policyType: "TargetTrackingScaling",
      estimatedInstanceWarmup: warmUpSeconds,
      targetTrackingConfiguration: {
        targetValue: tracking.target,
        disableScaleIn: true,
        customizedMetricSpecification: {
          metrics: [
            ...tracking.series.map((series) => ({
              id: series.id,
              returnData: false,
              metricStat: {
                stat: series.stat,
                period: PERIOD,
                metric: {
                  namespace: namespaceOf(series),
                  metricName: series.metric,
                  dimensions: dimensionsOf(series, args).map(({ name: dimension, value }) => ({
                    name: dimension,
                    value,
                  })),
                },
              },
            })),
            { id: "figure", expression: tracking.expression, label: tracking.when, returnData: true },
          ],
        },
      },
    },
    { parent },
  );
}

/** Alarms that tell somebody, and start nothing. Their ARNs. */
export function createFleetAlarms(
  name: string,
  alarms: readonly FleetAlarm[],
  { notify, sources, parent }: { notify: readonly string[]; sources: MetricSources; parent: pulumi.Resource },
): pulumi.Output<string>[] {
  return alarms.map(({ name: own, description, trigger, ofDeadLetters, missingIsBad }) => {
    const of = ofDeadLetters ? { ...sources, queueName: sources.deadLettersName } : sources;
    const parts = { description, trigger, missingIsBad, actions: notify, notify, sources: of, parent };
    return createAlarm(`${name}-${own}`, parts).arn;
  });
}

interface AlarmParts {
  readonly description: string;
  readonly trigger: Trigger;
  readonly missingIsBad?: boolean | undefined;
  readonly actions: readonly pulumi.Input<string>[];
  readonly notify: readonly string[];
  readonly sources: MetricSources;
  readonly parent: pulumi.Resource;
}

function createAlarm(name: string, parts: AlarmParts) {
  const { description, trigger, missingIsBad = false, actions, notify, sources, parent } = parts;
  return new aws.cloudwatch.MetricAlarm(
    name,
    {
      alarmDescription: description,
      comparisonOperator: COMPARISONS[trigger.comparison],
      threshold: trigger.threshold,
      evaluationPeriods: trigger.minutes,
      metricQueries: [
        ...trigger.series.map((series) => ({
          id: series.id,
          returnData: false,
          metric: {
            namespace: namespaceOf(series),
            metricName: series.metric,
            stat: series.stat,
            period: PERIOD,
            dimensions: Object.fromEntries(
              dimensionsOf(series, sources).map(({ name: dimension, value }) => [dimension, value]),
            ),
          },
        })),
        { id: "figure", expression: trigger.expression, label: name, returnData: true },
      ],
      // A queue that nobody uses sends nothing, and nothing is wrong then.
      treatMissingData: missingIsBad ? "breaching" : "notBreaching",
      alarmActions: [...actions],
      okActions: [...notify],
    },
    { parent },
  );
}

const NAMESPACES: Readonly<Record<Series["of"], string>> = {
  queue: "AWS/SQS",
  spot: "AWS/AutoScaling",
  rescue: "AWS/AutoScaling",
  balancer: "AWS/ApplicationELB",
  targets: "AWS/ApplicationELB",
};
const namespaceOf = ({ of }: Series) => NAMESPACES[of];

function dimensionsOf({ of }: Series, { queueName, groups, balancer }: MetricSources) {
  if (of === "queue") return [{ name: "QueueName", value: queueName }];
  if (of === "spot" || of === "rescue") return [{ name: "AutoScalingGroupName", value: groupName(of, groups) }];
  const named = (name: keyof LoadBalancerDimensions) => ({
    name,
    value: balancer?.apply((dimensions) => dimensions[name]) ?? pulumi.output(""),
  });
  return of === "balancer" ? [named("LoadBalancer")] : [named("LoadBalancer"), named("TargetGroup")];
}

const groupName = (group: FleetGroup, groups: Groups): pulumi.Output<string> =>
  groups[group]?.name ?? pulumi.output("");
