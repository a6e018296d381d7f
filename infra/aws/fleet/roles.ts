import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { AwsHostPlan } from "../../plan/aws/host.ts";
import type { JobsPlan } from "../../plan/fleet/jobs.ts";
import { allow, type PolicyArns, runStatements } from "../host/host-policy.ts";
import { boundaryOf, policyDocument, trustPolicy } from "../iam.ts";
import { type JobArns, protectionStatements, workerStatements } from "./fleet-policy.ts";
import type { Groups } from "./groups.ts";

export interface FleetRolesArgs {
  readonly plan: AwsHostPlan;
  readonly jobs: JobsPlan;
  readonly arns: pulumi.Input<Omit<PolicyArns, "mirrorRoleArn" | "volumeArn"> & JobArns>;
  readonly parent: pulumi.Resource;
}

/** The hosts' role, and the narrower one that a host takes for its container: no container has the host's. */
export function createFleetRoles(name: string, { plan, jobs, arns, parent }: FleetRolesArgs) {
  const role = new aws.iam.Role(
    `${name}-host`,
    {
      assumeRolePolicy: trustPolicy({ Service: "ec2.amazonaws.com" }),
      description: `image-gen hosts of ${plan.stack}`,
      ...boundaryOf(plan),
    },
    { parent },
  );
  const worker = new aws.iam.Role(
    `${name}-worker`,
    { assumeRolePolicy: role.arn.apply((arn) => trustPolicy({ AWS: arn })), ...boundaryOf(plan) },
    { parent },
  );
  const rights = new aws.iam.RolePolicy(
    `${name}-worker`,
    {
      role: worker.id,
      policy: pulumi.output(arns).apply((known) => policyDocument(workerStatements(plan, jobs, known))),
    },
    { parent },
  );
  const permissions = new aws.iam.RolePolicy(
    `${name}-host`,
    {
      role: role.id,
      policy: pulumi
        .all([arns, worker.arn])
        .apply(([known, workerArn]) =>
          policyDocument([...runStatements(plan, known), allow("Worker", ["sts:AssumeRole"], workerArn)]),
        ),
    },
    { parent },
  );
  const profile = new aws.iam.InstanceProfile(`${name}-host`, { role: role.name }, { parent });
  return { profile, worker, permissions: [permissions, rights] };
}

/**
 * A policy of its own, since it names the groups, which are made after the others. So it is also deleted before them: no worker protects its host
 * from the end of its group.
 */
export function allowProtection(
  name: string,
  {
    worker,
    groups,
    parent,
  }: { readonly worker: aws.iam.Role; readonly groups: Groups; readonly parent: pulumi.Resource },
): void {
  const arns = pulumi.all(Object.values(groups).map(({ arn }) => arn));
  new aws.iam.RolePolicy(
    `${name}-worker-protection`,
    { role: worker.id, policy: arns.apply((known) => policyDocument(protectionStatements(known))) },
    { parent },
  );
}
