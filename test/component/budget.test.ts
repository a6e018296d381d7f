import { expect, test } from "vitest";
import { PROJECT, STACK_TAG } from "../../infra/contract.ts";
import { planBudget } from "../../infra/plan/prices/budget.ts";
import { inputsOf, runStack } from "../support/aws-program.ts";
import { awsPlanWith, awsProblemsOf, awsSettings } from "../support/aws-settings.ts";

const BUDGET = "aws:budgets/budget:Budget";
const TOPIC = "arn:aws:sns:us-east-1:123456789012:alarms";

test("there is no budget unless config asks for one", async () => {
  const { resources } = await runStack(awsPlanWith({ alarmTopicArn: TOPIC }));
  expect(inputsOf(resources, BUDGET)).toEqual({});
});

test("a budget counts what has the stack's tag, and reports before and when it is spent", async () => {
  const { resources } = await runStack(awsPlanWith({ monthlyBudgetUsd: "300", alarmTopicArn: TOPIC }));
  const { "image-gen-budget": budget } = inputsOf(resources, BUDGET);
  expect(budget).toMatchObject({
    name: "imagegen-prod",
    budgetType: "COST",
    timeUnit: "MONTHLY",
    limitAmount: "300",
    limitUnit: "USD",
    costFilters: [{ name: "TagKeyValue", values: ["user:imagegen:stack$prod"] }],
  });
  const notifications = budget?.notifications as { notificationType: string; threshold: number }[];
  expect(notifications.map(({ notificationType, threshold }) => [notificationType, threshold])).toEqual([
    ["ACTUAL", 80],
    ["ACTUAL", 100],
    ["FORECASTED", 100],
  ]);
  for (const each of notifications) expect(each).toMatchObject({ subscriberSnsTopicArns: [TOPIC] });
});

test("a stack that is called like the project is counted by the stack's tag", () => {
  const settings = awsSettings({ monthlyBudgetUsd: "300", alarmTopicArn: TOPIC });
  expect(planBudget(settings, PROJECT)?.tag).toEqual({ key: STACK_TAG, value: PROJECT });
});

test("a budget that nobody would hear of is refused", () => {
  expect(awsProblemsOf({ monthlyBudgetUsd: "300" })).toEqual([
    expect.stringContaining(
      "alarmTopicArn: expected the ARN of an SNS topic with monthlyBudgetUsd, got nothing. Fix: ",
    ),
  ]);
  expect(awsProblemsOf({ monthlyBudgetUsd: "0.5", alarmTopicArn: TOPIC })).toHaveLength(1);
});
