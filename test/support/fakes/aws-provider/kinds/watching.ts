import { AwsError } from "../aws-error.ts";
import { type Kind, number, text, texts } from "../kind.ts";
import { by, id, plain } from "./plain.ts";

const LOGS = "aws:cloudwatch/logGroup:LogGroup";
const RULE = "aws:cloudwatch/eventRule:EventRule";
const RETENTION = [
  0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288,
];

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
    demand: (cloud, { alarmActions }) => {
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
