import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { awsPartition, type S3Location } from "../../plan/aws/arn.ts";
import type { AwsHostPlan } from "../../plan/aws/host.ts";
import { boundaryOf, policyDocument, trustPolicy } from "../iam.ts";
import { hostStatements, mirrorStatements, type PolicyArns } from "./host-policy.ts";

export interface HostRoleArgs {
  readonly plan: AwsHostPlan;
  readonly arns: pulumi.Input<Omit<PolicyArns, "mirrorRoleArn">>;
  readonly parent: pulumi.Resource;
}

/**
 * The host's role with its permissions written out, and the narrower one that its container reads a mirror with (empty
 * without a mirror). A host starts after `permissions`: else its first calls are denied.
 */
export function createHostRole(name: string, { plan, arns, parent }: HostRoleArgs) {
  const role = new aws.iam.Role(
    `${name}-host`,
    {
      assumeRolePolicy: trustPolicy({ Service: "ec2.amazonaws.com" }),
      description: `image-gen host of ${plan.stack}`,
      ...boundaryOf(plan),
    },
    { parent },
  );
  const mirrorRoleArn = plan.mirror === null ? pulumi.output("") : mirrorRole(name, plan, plan.mirror, role, parent);
  const permissions = new aws.iam.RolePolicy(
    `${name}-host`,
    {
      role: role.id,
      policy: pulumi
        .all([arns, mirrorRoleArn])
        .apply(([known, mirror]) => policyDocument(hostStatements(plan, { ...known, mirrorRoleArn: mirror }))),
    },
    { parent },
  );
  const profile = new aws.iam.InstanceProfile(`${name}-host`, { role: role.name }, { parent });
  return { profile, mirrorRoleArn, permissions };
}

function mirrorRole(
  name: string,
  plan: AwsHostPlan,
  mirror: S3Location,
  host: aws.iam.Role,
  parent: pulumi.Resource,
): pulumi.Output<string> {
  const role = new aws.iam.Role(
    `${name}-mirror`,
    { assumeRolePolicy: host.arn.apply((arn) => trustPolicy({ AWS: arn })), ...boundaryOf(plan) },
    { parent },
  );
  const policy = policyDocument(mirrorStatements(awsPartition(plan.region), mirror, plan));
  new aws.iam.RolePolicy(`${name}-mirror`, { role: role.id, policy }, { parent });
  return role.arn;
}
