import type { AwsSettings } from "../../config/aws/settings.ts";
import { STACK_TAG } from "../../contract.ts";

/** When the costs of a month are reported. */
export interface BudgetPlan {
  readonly name: string;
  readonly limitUsd: number;
  readonly topicArn: string;
  /** Of what AWS counts: the stack's tag, which must be activated for cost allocation. */
  readonly tag: { readonly key: string; readonly value: string };
}

/** Null: none is wanted. */
export function planBudget({ monthlyBudgetUsd, alarmTopicArn }: AwsSettings, stack: string): BudgetPlan | null {
  if (monthlyBudgetUsd === null || alarmTopicArn === null) return null;
  const tag = { key: STACK_TAG, value: stack };
  return { name: `imagegen-${stack}`, limitUsd: monthlyBudgetUsd, topicArn: alarmTopicArn, tag };
}
