import { AwsError } from "../aws-error.ts";
import type { Cloud } from "../cloud.ts";
import { type Kind, type Props, record, text } from "../kind.ts";
import { demandMetricMath, type MetricQuery } from "./metric-math.ts";
import { plain } from "./plain.ts";
import { GROUP } from "./scaling.ts";

const refuse = (sentence: string) => new AwsError("ValidationError", sentence);
const list = (value: unknown): readonly Props[] => (Array.isArray(value) ? value.map(record) : []);
const ADJUSTMENTS = ["ChangeInCapacity", "ExactCapacity", "PercentChangeInCapacity"];

/** Each type of policy has parameters of its own, and is refused with another's. */
const OF_TYPE: Readonly<Record<string, readonly string[]>> = {
  SimpleScaling: ["scalingAdjustment", "cooldown"],
  StepScaling: ["stepAdjustments", "metricAggregationType"],
  TargetTrackingScaling: ["targetTrackingConfiguration"],
};

function demandScalingPolicy(_: Cloud, inputs: Props): void {
  const type = text(inputs.policyType) || "SimpleScaling";
  if (!OF_TYPE[type]) throw refuse(`Unknown policy type: ${type}`);
  for (const [other, own] of Object.entries(OF_TYPE)) {
    const wrong = own.find((property) => other !== type && inputs[property] !== undefined);
    if (wrong) throw refuse(`${wrong} is not supported for policy type ${type}`);
  }
  if (type === "TargetTrackingScaling") demandTracking(record(inputs.targetTrackingConfiguration));
  else if (!ADJUSTMENTS.includes(text(inputs.adjustmentType)))
    throw refuse(`AdjustmentType ${text(inputs.adjustmentType)} is not valid`);
  if (type === "SimpleScaling") demandAdjustment(inputs, inputs.scalingAdjustment);
  if (type === "StepScaling") demandSteps(inputs);
}

function demandAdjustment({ adjustmentType }: Props, adjustment: unknown): void {
  if (typeof adjustment !== "number") throw refuse("ScalingAdjustment is required");
  if (adjustmentType === "ExactCapacity" && adjustment < 0) throw refuse("ScalingAdjustment must not be negative");
}

/** Without a gap or an overlap, and without an end at one side at least. */
function demandSteps(inputs: Props): void {
  const steps = list(inputs.stepAdjustments).map(
    ({ metricIntervalLowerBound, metricIntervalUpperBound, scalingAdjustment }) => ({
      from: metricIntervalLowerBound === undefined ? Number.NEGATIVE_INFINITY : Number(metricIntervalLowerBound),
      to: metricIntervalUpperBound === undefined ? Number.POSITIVE_INFINITY : Number(metricIntervalUpperBound),
      scalingAdjustment,
    }),
  );
  if (steps.length === 0) throw refuse("At least one StepAdjustment must be specified");
  steps.sort((a, b) => a.from - b.from);
  for (const [index, step] of steps.entries()) {
    demandAdjustment(inputs, step.scalingAdjustment);
    if (!(step.from < step.to)) throw refuse("StepAdjustments: the lower bound must be less than the upper bound");
    const next = steps[index + 1];
    if (next && next.from !== step.to) throw refuse("StepAdjustments intervals can't have a gap or overlap");
  }
}

function demandTracking({ targetValue, customizedMetricSpecification, predefinedMetricSpecification }: Props): void {
  if (!(Number(targetValue) > 0)) throw refuse("TargetValue must be above 0");
  const isCustom = customizedMetricSpecification !== undefined;
  if (isCustom === (predefinedMetricSpecification !== undefined))
    throw refuse("Exactly one of the predefined and the customized metric specification must be specified");
  const metrics = list(record(customizedMetricSpecification).metrics);
  if (isCustom && metrics.length > 0) demandMetricMath(metrics.map(queryOf));
}

function queryOf({ id, expression, returnData, metricStat }: Props): MetricQuery {
  const { metric, period } = record(metricStat);
  const { dimensions } = record(metric);
  return {
    id: text(id),
    expression: text(expression),
    isReturned: returnData !== false,
    period: Number(period ?? 60),
    dimensions: list(dimensions).map(({ value }) => text(value)),
  };
}

export const SCALING_POLICIES: readonly Kind[] = [
  plain({
    token: "aws:autoscaling/policy:Policy",
    api: ["PutScalingPolicy", "PutScalingPolicy", "DeletePolicy"],
    taggable: false,
    id: (_, { name }) => text(name),
    name: "name",
    replaces: ["autoscalingGroupName"],
    references: { autoscalingGroupName: GROUP },
    outputs: (cloud, key, { autoscalingGroupName }) => ({
      arn: cloud.arn(
        "autoscaling",
        `scalingPolicy:0:autoScalingGroupName/${text(autoscalingGroupName)}:policyName/${key}`,
      ),
    }),
    demand: demandScalingPolicy,
  }),
];
