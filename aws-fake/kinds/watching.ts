import { AwsError } from "../aws-error.ts";
import type { Cloud } from "../cloud.ts";
import { type Kind, number, type Props, record, text, texts } from "../kind.ts";
import { demandMetricMath } from "./metric-math.ts";
import { by, id, plain } from "./plain.ts";

const LOGS = "aws:cloudwatch/logGroup:LogGroup";
const RULE = "aws:cloudwatch/eventRule:EventRule";
const RETENTION = [
  0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288,
];

/** A day is the longest that an alarm looks back. */
const MOST_SECONDS = 86_400;

function demandAlarm({ metricName, metricQueries, evaluationPeriods, period }: Props): void {
  const queries = Array.isArray(metricQueries) ? metricQueries.map(record) : [];
  if (queries.length > 0 === (text(metricName) !== ""))
    throw new AwsError("ValidationError", "An alarm has either a MetricName or Metrics");
  if (number(evaluationPeriods) * number(period, 60) > MOST_SECONDS)
    throw new AwsError("ValidationError", "Metrics cannot be checked across more than a day");
  if (queries.length === 0) return;
  demandMetricMath(
    queries.map(({ id: name, expression, returnData, metric }) => {
      const { period: seconds, dimensions } = record(metric);
      return {
        id: text(name),
        expression: text(expression),
        isReturned: returnData === true,
        period: number(seconds, 60),
        dimensions: Object.values(record(dimensions)).map(text),
      };
    }),
  );
}

/** CloudWatch takes the name of any policy; one that is not there is called for nothing. */
function demandPolicies(cloud: Cloud, actions: readonly string[]): void {
  const policies = cloud.all("aws:autoscaling/policy:Policy").map(({ props }) => props.arn);
  for (const arn of actions.filter((one) => one.includes(":scalingPolicy:")))
    if (!policies.includes(arn)) cloud.broke(`an alarm starts ${arn}, which is not there`);
}

export const WATCHING: readonly Kind[] = [
  plain({
    token: LOGS,
    api: ["CreateLogGroup", "PutRetentionPolicy", "DeleteLogGroup"],
    id: by("name"),
    name: "name",
    replaces: ["namePrefix", "logGroupClass"],
    outputs: (cloud, key) => ({ arn: cloud.arn("logs", `log-group:${key}`) }),
    demand: (_, { retentionInDays }) => {
      if (RETENTION.includes(number(retentionInDays))) return;
      throw new AwsError("InvalidParameterException", `retentionInDays: ${number(retentionInDays)} is not offered`);
    },
  }),
  plain({
    token: "aws:cloudwatch/logMetricFilter:LogMetricFilter",
    api: ["PutMetricFilter", "PutMetricFilter", "DeleteMetricFilter"],
    taggable: false,
    id: by("name"),
    name: "name",
    replaces: ["logGroupName"],
    references: { logGroupName: LOGS },
  }),
  plain({
    token: "aws:cloudwatch/metricAlarm:MetricAlarm",
    api: ["PutMetricAlarm", "PutMetricAlarm", "DeleteAlarms"],
    id: by("name"),
    name: "name",
    sameIdIs: "overwritten",
    outputs: (cloud, key) => ({ arn: cloud.arn("cloudwatch", `alarm:${key}`) }),
    demand: (cloud, inputs) => {
      const { alarmActions } = inputs;
      demandAlarm(inputs);
      demandPolicies(cloud, texts(alarmActions));
      // No type with a GPU but g5g has auto recovery: such an alarm would never do anything.
      if (texts(alarmActions).some((one) => one.endsWith(":ec2:recover")))
        cloud.broke("an alarm wants ec2:recover, which no GPU type here has");
    },
  }),
  plain({
    token: "aws:cloudwatch/dashboard:Dashboard",
    api: ["PutDashboard", "PutDashboard", "DeleteDashboards"],
    taggable: false,
    id: by("dashboardName"),
    name: "dashboardName",
    replaces: ["dashboardName"],
    sameIdIs: "overwritten",
    outputs: (cloud, key) => ({ dashboardArn: cloud.arn("cloudwatch", `dashboard/${key}`) }),
    demand: (_, { dashboardBody }) => {
      const { widgets } = JSON.parse(text(dashboardBody)) as { widgets?: unknown[] };
      if (!widgets?.length) throw new AwsError("InvalidParameterInput", "The field widgets is required");
    },
  }),
  plain({
    token: "aws:budgets/budget:Budget",
    api: ["CreateBudget", "UpdateBudget", "DeleteBudget"],
    id: (cloud, inputs) => `${cloud.account}:${text(inputs.name)}`,
    name: "name",
    outputs: (cloud, key) => ({ arn: `arn:aws:budgets::${cloud.account}:budget/${key.split(":")[1]}` }),
    demand: (_, { name, limitAmount }) => {
      if (/[:\\]/.test(text(name)) || !(Number(text(limitAmount)) > 0)) {
        throw new AwsError("InvalidParameterException", `${text(name)}: no name and amount of a budget`);
      }
    },
  }),
  plain({
    token: RULE,
    api: ["PutRule", "PutRule", "DeleteRule"],
    id: by("name"),
    name: "name",
    replaces: ["eventBusName"],
    outputs: (cloud, key) => ({ arn: cloud.arn("events", `rule/${key}`) }),
  }),
  plain({
    token: "aws:cloudwatch/eventTarget:EventTarget",
    api: ["PutTargets", "PutTargets", "RemoveTargets"],
    taggable: false,
    id: id("target"),
    replaces: ["rule", "targetId"],
    references: { rule: RULE },
    outputs: () => ({ targetId: "target" }),
  }),
  plain({
    token: "aws:sns/topic:Topic",
    api: ["CreateTopic", "SetTopicAttributes", "DeleteTopic"],
    id: (cloud, { name }) => cloud.arn("sns", text(name)),
    name: "name",
    outputs: (_, key) => ({ arn: key }),
  }),
  plain({
    token: "aws:dlm/lifecyclePolicy:LifecyclePolicy",
    api: ["CreateLifecyclePolicy", "UpdateLifecyclePolicy", "DeleteLifecyclePolicy"],
    id: id("policy"),
    outputs: (cloud, key) => ({ arn: cloud.arn("dlm", `policy/${key}`) }),
  }),
];
