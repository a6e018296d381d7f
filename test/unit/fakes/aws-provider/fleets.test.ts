/** Rules of what a fleet is made of: queues, policies of groups, alarms on figures that are calculated. */
import { describe, expect, test } from "vitest";
import type { Props } from "../../../../aws-fake/kind.ts";
import { Account } from "./account.ts";

const QUEUE = "aws:sqs/queue:Queue";
const POLICY = "aws:autoscaling/policy:Policy";
const ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm";
const GROUP = "aws:autoscaling/group:Group";
const TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate";

describe("a queue", () => {
  test.each([
    [{ visibilityTimeoutSeconds: 43_201 }, "InvalidAttributeValue"],
    [{ messageRetentionSeconds: 30 }, "InvalidAttributeValue"],
    [{ receiveWaitTimeSeconds: 21 }, "InvalidAttributeValue"],
    [{ name: "no dots.here" }, "QueueName"],
    [{ sqsManagedSseEnabled: true, kmsMasterKeyId: "alias/k" }, "one type of server-side encryption"],
    [{ redrivePolicy: JSON.stringify({ deadLetterTargetArn: "arn:aws:sqs:x", maxReceiveCount: 5 }) }, "does not exist"],
    [
      { redrivePolicy: JSON.stringify({ deadLetterTargetArn: "arn:aws:sqs:x", maxReceiveCount: 0 }) },
      "maxReceiveCount",
    ],
  ])("with %j is refused", async (inputs, reason) => {
    const account = await Account.open();
    await expect(account.create(QUEUE, { name: "jobs", ...inputs })).rejects.toThrow(reason);
  });

  test("is another one by its name and its kind alone", async () => {
    const account = await Account.open();
    const olds = { name: "jobs", visibilityTimeoutSeconds: 60, fifoQueue: false };
    const news = { name: "others", visibilityTimeoutSeconds: 90, fifoQueue: true };
    expect([...account.replaces(QUEUE, olds, news)].sort()).toEqual(["fifoQueue", "name"]);
  });

  test("goes with its jobs, as SQS does it: that is a broken rule", async () => {
    const account = await Account.open();
    const url = await account.create(QUEUE, { name: "jobs" });
    const queue = account.cloud.get(QUEUE, url);
    queue.props = { ...queue.props, __jobs: 1 };
    await account.delete(QUEUE, url);
    expect(account.cloud.broken).toEqual(["jobs deleted with jobs in it"]);
  });
});

/** An account with a group of spot hosts that has none yet. */
async function withGroup(changes: Props = {}): Promise<Account> {
  const account = await Account.open();
  const launchTemplateId = await account.create(TEMPLATE, {
    name: "template",
    imageId: "ami-0ca77a28d8801702a",
    instanceType: "g6.xlarge",
    metadataOptions: { httpTokens: "required" },
    blockDeviceMappings: [{ ebs: { encrypted: "true", volumeSize: 60 } }],
  });
  await account.create(GROUP, {
    name: "spot",
    minSize: 0,
    maxSize: 4,
    vpcZoneIdentifiers: [account.subnet],
    mixedInstancesPolicy: {
      instancesDistribution: {
        onDemandPercentageAboveBaseCapacity: 0,
        spotAllocationStrategy: "price-capacity-optimized",
      },
      launchTemplate: {
        launchTemplateSpecification: { launchTemplateId, version: "1" },
        overrides: [{ instanceType: "g6.xlarge" }, { instanceType: "g5.xlarge" }],
      },
    },
    ...changes,
  });
  return account;
}

describe("a group", () => {
  test.each([
    [{ minSize: 5 }, "Max bound must be greater"],
    [
      { mixedInstancesPolicy: { instancesDistribution: { spotAllocationStrategy: "cheapest" } } },
      "Invalid spotAllocationStrategy",
    ],
    [{ vpcZoneIdentifiers: ["subnet-none"] }, "NotFound"],
  ])("with %j is refused", async (changes, reason) => {
    await expect(withGroup(changes)).rejects.toThrow(reason);
  });
});

describe("a policy of a group", () => {
  const step = (from: string, to?: string) => ({
    metricIntervalLowerBound: from,
    ...(to === undefined ? {} : { metricIntervalUpperBound: to }),
    scalingAdjustment: 1,
  });
  const steps = { policyType: "StepScaling", adjustmentType: "ChangeInCapacity" };
  const tracking = (metrics: readonly object[], targetValue = 1) => ({
    policyType: "TargetTrackingScaling",
    targetTrackingConfiguration: { targetValue, customizedMetricSpecification: { metrics } },
  });
  const metric = (id: string, value = "jobs") => ({
    id,
    returnData: false,
    metricStat: {
      stat: "Sum",
      period: 60,
      metric: { metricName: "M", namespace: "N", dimensions: [{ name: "Q", value }] },
    },
  });

  test.each([
    [{ policyType: "SimpleScaling", adjustmentType: "ExactCapacity", scalingAdjustment: -1 }, "must not be negative"],
    [{ policyType: "SimpleScaling", adjustmentType: "ChangeInCapacity" }, "ScalingAdjustment is required"],
    [{ ...steps, stepAdjustments: [step("0", "5"), step("6")] }, "gap or overlap"],
    [{ ...steps, stepAdjustments: [step("5", "5")] }, "lower bound"],
    [{ ...steps, stepAdjustments: [step("0")], cooldown: 60 }, "cooldown is not supported for policy type StepScaling"],
    [{ ...steps, adjustmentType: "More", stepAdjustments: [step("0")] }, "AdjustmentType More"],
    [tracking([metric("a"), { id: "x", expression: "a / b", returnData: true }]), "Unknown identifier b"],
    [tracking([metric("a"), { id: "x", expression: "IF(a > 1, a", returnData: true }]), "Syntax error"],
    [tracking([metric("a")]), "Exactly one element"],
    [tracking([metric("a", ""), { id: "x", expression: "a", returnData: true }]), "Dimensions"],
    [tracking([metric("A"), { id: "x", expression: "A", returnData: true }]), "expected pattern"],
    [tracking([], 0), "TargetValue"],
  ])("%j is refused", async (inputs, reason) => {
    const account = await withGroup();
    await expect(account.create(POLICY, { name: "p", autoscalingGroupName: "spot", ...inputs })).rejects.toThrow(
      reason,
    );
  });

  test("needs its group, which does not go before it", async () => {
    const account = await withGroup();
    const inputs = { name: "p", policyType: "SimpleScaling", adjustmentType: "ChangeInCapacity", scalingAdjustment: 1 };
    await expect(account.create(POLICY, { ...inputs, autoscalingGroupName: "none" })).rejects.toThrow("NotFound");
    await account.create(POLICY, { ...inputs, autoscalingGroupName: "spot" });
    await expect(account.delete(GROUP, "spot")).rejects.toThrow("DependencyViolation");
  });
});

describe("an alarm", () => {
  const query = (id: string) => ({
    id,
    returnData: false,
    metric: { metricName: "M", period: 60, stat: "Sum", dimensions: { Q: "jobs" } },
  });
  const figure = (expression: string) => ({ id: "figure", expression, returnData: true });

  test.each([
    [{ metricName: "M", metricQueries: [query("a"), figure("a")] }, "either a MetricName or Metrics"],
    [{ metricQueries: [query("a"), figure("a + c")] }, "Unknown identifier c"],
    [{ metricQueries: [query("a")] }, "Exactly one element"],
    [{ metricName: "M", period: 300, evaluationPeriods: 300 }, "more than a day"],
  ])("%j is refused", async (inputs, reason) => {
    const account = await Account.open();
    await expect(account.create(ALARM, { name: "alarm", evaluationPeriods: 1, ...inputs })).rejects.toThrow(reason);
  });

  test("that starts a policy which is not there is a broken rule", async () => {
    const account = await Account.open();
    const arn = "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:0:autoScalingGroupName/g:policyName/none";
    await account.create(ALARM, { name: "alarm", metricName: "M", evaluationPeriods: 1, alarmActions: [arn] });
    expect(account.cloud.broken).toEqual([`an alarm starts ${arn}, which is not there`]);
  });
});
