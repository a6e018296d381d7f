import { boundaryName } from "../../../infra/plan/ci/boundary.ts";
import { type CiPlan, makeCiPlan } from "../../../infra/plan/ci/plan.ts";
import { roleActions } from "../../../infra/plan/ci/roles.ts";
import { SERVICE_PRICE_SOURCES, SERVICE_PRICES } from "../../../infra/plan/prices/service-prices.ts";
import type { Context } from "../../core/context.ts";
import type { ConfigMap } from "../../stack/config.ts";

/** The plan of a stack for CI, which has no service; `rows`: for people. */
export function planCi({ files }: Context, chosen: ConfigMap): { plan: CiPlan; rows: [string, string][] } {
  files.use(chosen);
  const plan = makeCiPlan(files.settings("ci"), files.name);
  return { plan, rows: ciPlanRows(plan) };
}

/** The plan for people, a line for each part. */
export function ciPlanRows(plan: CiPlan): [string, string][] {
  const { bucketPrefix, region, stateVersionDays, keyAlias, oidcProviderArn, ciProvider, repository, roles } = plan;
  const provider = roles.deploy.trust.issuer;
  return [
    ["state", `bucket ${bucketPrefix}-<account>-${region}, earlier versions for ${stateVersionDays} days`],
    ["key", `${keyAlias}, for the secrets in a state`],
    [
      "provider",
      oidcProviderArn === null ? `${provider}, made for the account` : `${oidcProviderArn}, an existing one`,
    ],
    ...Object.values(roles).map(({ role, name, trust }): [string, string] => [
      role,
      `${name}, for ${trust.subjects.join(" or ")}: ${roleActions(role, plan).size} actions`,
    ]),
    ["boundary", `${boundaryName(plan)}, the most that roles of a deployed stack may do`],
    ["deploys", `${plan.deployStack}, from ${plan.deployBranch} of ${repository} on ${ciProvider}`],
    [
      "cost",
      `${SERVICE_PRICES.keyMonth.toFixed(2)} USD a month for the key, list price noted on ${SERVICE_PRICE_SOURCES.keyMonth.noted}`,
    ],
  ];
}
