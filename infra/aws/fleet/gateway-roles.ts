import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import type { AwsHostPlan } from "../../plan/aws/host.ts";
import type { GatewayPlan } from "../../plan/fleet/gateway.ts";
import type { JobsPlan } from "../../plan/fleet/jobs.ts";
import { boundaryOf, policyDocument, trustPolicy } from "../iam.ts";
import { type ClientArns, clientStatements, type ExecutionArns, executionStatements } from "./fleet-policy.ts";

export interface GatewayRolesArgs {
  readonly plan: AwsHostPlan;
  readonly gateway: GatewayPlan;
  readonly jobs: JobsPlan;
  readonly arns: pulumi.Output<ClientArns & ExecutionArns>;
  readonly parent: pulumi.Resource;
}

const TASKS = { Service: "ecs-tasks.amazonaws.com" };

/** What the gateway's container may do, and what ECS may do to start it: the container has only the first. */
export function createGatewayRoles(name: string, { plan, gateway, jobs, arns, parent }: GatewayRolesArgs) {
  const { account } = gateway.loadBalancer;
  const task = new aws.iam.Role(
    `${name}-gateway`,
    {
      assumeRolePolicy: trustPolicy(TASKS, account),
      description: `the gateway of the fleet ${plan.stack}`,
      ...boundaryOf(plan),
    },
    { parent },
  );
  const execution = new aws.iam.Role(
    `${name}-gateway-start`,
    {
      assumeRolePolicy: trustPolicy(TASKS),
      description: `starts the gateway of the fleet ${plan.stack}`,
      ...boundaryOf(plan),
    },
    { parent },
  );
  const createRights = (role: string, of: aws.iam.Role, policy: pulumi.Output<string>) =>
    new aws.iam.RolePolicy(`${name}-${role}`, { role: of.id, policy }, { parent });
  const permissions = [
    createRights(
      "gateway",
      task,
      arns.apply((known) => policyDocument(clientStatements(jobs, known, plan.region))),
    ),
    createRights(
      "gateway-start",
      execution,
      arns.apply((known) => policyDocument(executionStatements(plan, gateway, known))),
    ),
  ];
  return { task, execution, permissions };
}
