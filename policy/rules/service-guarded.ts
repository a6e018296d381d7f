import { awsRule } from "./aws-rule.ts";

interface Inputs {
  readonly deploymentCircuitBreaker?: { readonly enable?: boolean; readonly rollback?: boolean };
  readonly enableExecuteCommand?: boolean;
}

/** A deployment whose tasks never answer must not take those away that do. */
export const serviceGuarded = awsRule(
  "service-guarded",
  "Services of ECS roll a deployment back that fails, and open no shell into their tasks.",
  ["aws:ecs/service:Service"],
  ({ props }) => {
    const { deploymentCircuitBreaker: breaker, enableExecuteCommand } = props as Inputs;
    return [
      ...(breaker?.enable && breaker.rollback ? [] : ["expected deploymentCircuitBreaker with enable and rollback."]),
      ...(enableExecuteCommand ? ["expected no enableExecuteCommand."] : []),
    ];
  },
);
