import { KEEP_ALIVE_SECONDS } from "../../infra/contract.ts";
import { awsRule } from "./aws-rule.ts";

interface Inputs {
  readonly accessLogs?: { readonly enabled?: boolean };
  readonly dropInvalidHeaderFields?: boolean;
  readonly idleTimeout?: number;
}

/** What came in is asked for after an incident; a connection that the service closes first is a 502 now and then. */
export const loadBalancerGuarded = awsRule(
  "load-balancer-guarded",
  "Load balancers write access logs, drop invalid headers, and close idle connections before the service does.",
  ["aws:lb/loadBalancer:LoadBalancer"],
  ({ props }) => {
    const { accessLogs, dropInvalidHeaderFields, idleTimeout = 60 } = props as Inputs;
    return [
      ...(accessLogs?.enabled ? [] : ["expected accessLogs to be enabled."]),
      ...(dropInvalidHeaderFields ? [] : ["expected dropInvalidHeaderFields."]),
      ...(idleTimeout < KEEP_ALIVE_SECONDS
        ? []
        : [`expected idleTimeout below the service's ${KEEP_ALIVE_SECONDS} s, got ${idleTimeout}.`]),
    ];
  },
);
