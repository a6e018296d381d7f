import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import type { BudgetPlan } from "../plan/prices/budget.ts";

/** What is reported: nearly all is spent, all is spent, all will be. Percent of the limit. */
const NOTIFICATIONS = [
  { notificationType: "ACTUAL", threshold: 80 },
  { notificationType: "ACTUAL", threshold: 100 },
  { notificationType: "FORECASTED", threshold: 100 },
] as const;

/** A budget of the stack's costs. It reports, and stops nothing. */
export function createBudget(name: string, plan: BudgetPlan, opts: pulumi.CustomResourceOptions): aws.budgets.Budget {
  const { key, value } = plan.tag;
  return new aws.budgets.Budget(
    `${name}-budget`,
    {
      name: plan.name,
      budgetType: "COST",
      timeUnit: "MONTHLY",
      limitAmount: String(plan.limitUsd),
      limitUnit: "USD",
      costFilters: [{ name: "TagKeyValue", values: [`user:${key}$${value}`] }],
      notifications: NOTIFICATIONS.map((each) => ({
        ...each,
        comparisonOperator: "GREATER_THAN",
        thresholdType: "PERCENTAGE",
        subscriberSnsTopicArns: [plan.topicArn],
      })),
    },
    opts,
  );
}
