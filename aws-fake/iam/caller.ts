import { AwsError } from "../aws-error.ts";
import type { Cloud } from "../cloud.ts";
import { text } from "../kind.ts";
import { type ApiCall, isAllowed, type Statement } from "./evaluate.ts";

/** Throws AWS's error unless the role that `cloud.knobs.caller` names is allowed each call by the policies that are attached to it. */
export function demandAllowed(cloud: Cloud, calls: readonly ApiCall[]): void {
  const { caller } = cloud.knobs;
  if (caller === null) return;
  const statements = statementsOf(cloud, caller);
  for (const call of calls) {
    if (isAllowed(statements, call)) continue;
    const who = `arn:aws:sts::${cloud.account}:assumed-role/${caller}/test`;
    const what = `User: ${who} is not authorized to perform: ${call.action} on resource: ${call.resource}`;
    throw new AwsError("AccessDenied", `${what} because no identity-based policy allows the ${call.action} action`);
  }
}

function statementsOf(cloud: Cloud, role: string): readonly Statement[] {
  const attached = cloud
    .all("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
    .filter(({ props }) => props.role === role)
    .map(({ props }) => text(props.policyArn));
  return cloud
    .all("aws:iam/policy:Policy")
    .filter(({ props }) => attached.includes(text(props.arn)))
    .flatMap(({ props }) => (JSON.parse(text(props.policy)) as { Statement: readonly Statement[] }).Statement);
}
