/** What starts and ends the hosts of a fleet: every policy and alarm, as AWS is to see it. */
import { describe, expect, test } from "vitest";
import { inputsOf } from "../support/aws-program.ts";
import { fleetPlanWith, runFleet } from "../support/fleet-settings.ts";
import { theOnly } from "../support/program.ts";

const ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm";
const POLICY = "aws:autoscaling/policy:Policy";
const TOPIC = "arn:aws:sns:us-east-1:123456789012:alarms";

const { resources } = await runFleet(
  fleetPlanWith({ alarmTopicArn: TOPIC, dashboard: "true", patienceSeconds: "600", secondsPerPicture: "10" }),
);
const alarms = inputsOf(resources, ALARM);
const policies = inputsOf(resources, POLICY);

interface Query {
  readonly id: string;
  readonly expression?: string;
  readonly returnData: boolean;
  readonly metric?: {
    readonly namespace: string;
    readonly metricName: string;
    readonly stat: string;
    readonly dimensions: object;
  };
}
const queriesOf = (name: string) => (alarms[name]?.metricQueries ?? []) as readonly Query[];
const expressionOf = (name: string) => queriesOf(name).find(({ returnData }) => returnData)?.expression;

const HOSTS = "(FILL(spot, 0) + FILL(rescue, 0))";

describe("the alarm of", () => {
  test.each([
    [
      "wake",
      "IF((FILL(spot_wanted, 0) + FILL(rescue_wanted, 0)) < 1, FILL(visible, 0), 0)",
      "GreaterThanOrEqualToThreshold",
      1,
      1,
      ["wake"],
    ],
    [
      "slack",
      `IF(FILL(spot, 0) > 1, (FILL(visible, 0) + FILL(taken, 0)) / IF(${HOSTS} > 1, ${HOSTS} - 1, 1), 1)`,
      "LessThanThreshold",
      0.7,
      10,
      ["slack"],
    ],
    [
      "idle",
      `IF(${HOSTS} > 0, FILL(visible, 0) + FILL(taken, 0) + FILL(sent, 0), 1)`,
      "LessThanOrEqualToThreshold",
      0,
      15,
      ["idle-spot", "idle-rescue"],
    ],
    ["rescue", "FILL(age, 0)", "GreaterThanOrEqualToThreshold", 600, 1, ["rescue"]],
    ["calm", "IF(FILL(rescue, 0) > 0, FILL(age, 0), 600)", "LessThanThreshold", 300, 10, ["calm"]],
  ])("%s looks at %s", (name, expression, comparisonOperator, threshold, evaluationPeriods, started) => {
    expect(expressionOf(`image-gen-${name}`)).toBe(expression);
    expect(alarms[`image-gen-${name}`]).toMatchObject({
      comparisonOperator,
      threshold,
      evaluationPeriods,
      treatMissingData: "notBreaching",
      alarmActions: started.map((policy) => `arn:policy:image-gen-${policy}`),
      okActions: [],
    });
  });

  test("every expression names the metrics that are beside it, and no others", () => {
    for (const [name, { metricQueries }] of Object.entries(alarms)) {
      if (!metricQueries) continue;
      const named = new Set((expressionOf(name) ?? "").match(/[a-z_]+(?=,)/g));
      const given = queriesOf(name).flatMap(({ id, returnData }) => (returnData ? [] : [id]));
      expect([name, [...named].sort()]).toEqual([name, given.sort()]);
    }
  });

  test("metrics are the queue's and the groups' own", () => {
    const metric = (id: string) => queriesOf("image-gen-idle").find((query) => query.id === id)?.metric;
    expect(metric("sent")).toEqual({
      namespace: "AWS/SQS",
      metricName: "NumberOfMessagesSent",
      stat: "Sum",
      period: 60,
      dimensions: { QueueName: "image-gen-jobs" },
    });
    expect(metric("rescue")).toEqual({
      namespace: "AWS/AutoScaling",
      metricName: "GroupInServiceInstances",
      stat: "Average",
      period: 60,
      dimensions: { AutoScalingGroupName: "image-gen-rescue" },
    });
  });
});

describe("the policy", () => {
  test("of the first host, and of the rescue, counts a host on its way", () => {
    const { forecast } = fleetPlanWith();
    const steps = { policyType: "StepScaling", adjustmentType: "ChangeInCapacity", metricAggregationType: "Maximum" };
    expect(policies["image-gen-wake"]).toEqual({
      autoscalingGroupName: "image-gen-spot",
      ...steps,
      estimatedInstanceWarmup: forecast.warmUpSeconds,
      stepAdjustments: [{ metricIntervalLowerBound: "0", scalingAdjustment: 1 }],
    });
    expect(policies["image-gen-rescue"]).toEqual({
      autoscalingGroupName: "image-gen-rescue",
      ...steps,
      estimatedInstanceWarmup: forecast.warmUpSeconds,
      stepAdjustments: [
        { metricIntervalLowerBound: "0", metricIntervalUpperBound: "600", scalingAdjustment: 1 },
        { metricIntervalLowerBound: "600", scalingAdjustment: 2 },
      ],
    });
  });

  test("of the backlog holds a new job's wait at half the patience, and ends no host", () => {
    const { targetTrackingConfiguration, ...rest } = policies["image-gen-backlog"] ?? {};
    expect(rest).toMatchObject({ autoscalingGroupName: "image-gen-spot", policyType: "TargetTrackingScaling" });
    const { customizedMetricSpecification, ...target } = targetTrackingConfiguration as {
      customizedMetricSpecification: { metrics: readonly Query[] };
    };
    expect(target).toEqual({ targetValue: 300, disableScaleIn: true });
    const { metrics } = customizedMetricSpecification;
    expect(metrics.map(({ id }) => id)).toEqual(["visible", "spot", "rescue", "figure"]);
    expect(metrics.at(-1)?.expression).toBe(`FILL(visible, 0) * 10 / IF(${HOSTS} > 0, ${HOSTS}, 1)`);
  });

  test.each([
    ["slack", "spot", "ChangeInCapacity", -1],
    ["calm", "rescue", "ChangeInCapacity", -1],
    ["idle-spot", "spot", "ExactCapacity", 0],
    ["idle-rescue", "rescue", "ExactCapacity", 0],
  ])("%s ends hosts of the group %s", (name, group, adjustmentType, scalingAdjustment) => {
    expect(policies[`image-gen-${name}`]).toEqual({
      autoscalingGroupName: `image-gen-${group}`,
      policyType: "SimpleScaling",
      adjustmentType,
      scalingAdjustment,
      cooldown: 300,
    });
  });
});

const MISSING = (group: string) =>
  `IF(FILL(${group}_wanted, 0) > FILL(${group}, 0), FILL(${group}_wanted, 0) - FILL(${group}, 0), 0)`;

describe("somebody is notified", () => {
  test.each([
    ["jobs-wait", "FILL(age, 0)", 1200, 2],
    ["dead-letters", "FILL(visible, 0)", 1, 1],
    ["no-capacity", `${MISSING("spot")} + ${MISSING("rescue")}`, 1, 15],
  ])("by %s", (name, expression, threshold, evaluationPeriods) => {
    expect(expressionOf(`image-gen-${name}`)).toBe(expression);
    const expected = { threshold, evaluationPeriods, alarmActions: [TOPIC], okActions: [TOPIC] };
    expect(alarms[`image-gen-${name}`]).toMatchObject(expected);
  });

  test("of dead letters by their own queue", () => {
    const dimensions = queriesOf("image-gen-dead-letters").flatMap(({ metric }) => (metric ? [metric.dimensions] : []));
    expect(dimensions).toEqual([{ QueueName: "image-gen-dead-letters" }]);
  });

  test("of what hosts report, whichever it is", () => {
    const own = Object.values(alarms).filter(({ namespace }) => namespace === "ImageGen");
    expect(own.map(({ metricName, dimensions }) => [metricName, dimensions])).toEqual(
      ["GpuLost", "XidErrors", "Unhealthy", "DataUsedPercent"].map((metric) => [metric, { Stack: "prod" }]),
    );
  });
});

test("the dashboard has every alarm that notifies somebody, the queue and both groups; no two widgets have one place", () => {
  const body = String(theOnly(resources, "aws:cloudwatch/dashboard:Dashboard").inputs.dashboardBody);
  const { widgets } = JSON.parse(body) as {
    widgets: { type: string; x: number; y: number; properties: Record<string, unknown> }[];
  };
  const [status] = widgets.filter(({ type }) => type === "alarm");
  const notifying = Object.entries(alarms).filter(([, { alarmActions }]) => (alarmActions as string[]).includes(TOPIC));
  expect(((status?.properties.alarms ?? []) as string[]).toSorted()).toEqual(
    notifying.map(([name]) => `arn:alarm:${name}`).sort(),
  );
  for (const name of ["image-gen-jobs", "image-gen-dead-letters", "image-gen-spot", "image-gen-rescue"])
    expect(body).toContain(`"${name}"`);
  expect(new Set(widgets.map(({ x, y }) => `${x} ${y}`)).size).toBe(widgets.length);
});
