import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { deploymentParameter, FLEET_VARIABLES } from "../../contract.ts";
import type { Fixes } from "../../fixes.ts";
import type { AwsDeploymentPlan } from "../../plan/aws/deployment.ts";
import type { AwsHostPlan } from "../../plan/aws/host.ts";
import type { FleetPlan } from "../../plan/fleet/plan.ts";
import type { LoadBalancerDimensions } from "../dashboard.ts";
import { createLaunchTemplate } from "../host/auto-scaling-group.ts";
import { type Deployment, renderDeployment } from "../host/deployment.ts";
import { createKeyGrants } from "../host/key-grants.ts";
import { renderUserData } from "../host/user-data.ts";
import { createFleetDashboard } from "./fleet-dashboard.ts";
import type { FleetNetwork } from "./fleet-network.ts";
import { createGroups, type Groups } from "./groups.ts";
import { createHostAlarms } from "./host-alarms.ts";
import type { JobQueue } from "./job-queue.ts";
import type { JobStore } from "./job-store.ts";
import { allowProtection, createFleetRoles } from "./roles.ts";
import { createFleetAlarms, createScaling } from "./scaling.ts";

export interface FleetHostsArgs {
  readonly plan: Pick<FleetPlan, "hosts" | "jobs" | "scaling" | "alarms">;
  readonly deployment: AwsDeploymentPlan;
  readonly image: {
    readonly imageReference: pulumi.Input<string>;
    readonly repositoryUrl: pulumi.Input<string>;
    readonly repositoryArn: pulumi.Input<string>;
  };
  readonly queue: JobQueue;
  readonly store: JobStore;
  readonly network: FleetNetwork;
  /** Of the gateway's load balancer; null without one. */
  readonly balancer: pulumi.Output<LoadBalancerDimensions> | null;
  readonly amiId: pulumi.Input<string>;
  readonly fixes: Fixes;
}

/** Two groups of hosts on one launch template, and what starts and ends them. */
export class FleetHosts extends pulumi.ComponentResource {
  /** The id of what hosts are to run. */
  readonly deploymentId: pulumi.Output<string>;
  readonly logGroup: pulumi.Output<string>;
  readonly logGroupArn: pulumi.Output<string>;
  readonly groups: Groups;

  constructor(name: string, args: FleetHostsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:fleet:FleetHosts", name, {}, opts);
    const { plan, queue, store, network } = args;
    const { host } = plan.hosts;
    const child = { parent: this };

    const logs = new aws.cloudwatch.LogGroup(
      `${name}-logs`,
      { name: host.logGroup, retentionInDays: host.logRetentionDays },
      child,
    );
    const deployment = workerDeployment(args);
    const parameter = new aws.ssm.Parameter(
      `${name}-deployment`,
      {
        name: deploymentParameter(host.parameters),
        type: "String",
        value: deployment.apply((known) => JSON.stringify(known)),
        description: "What the image-gen hosts run; written by Pulumi alone.",
      },
      child,
    );
    const group = createHostGroup(name, host, network.vpcId, this);
    const { profile, worker, permissions } = createFleetRoles(name, {
      plan: host,
      jobs: plan.jobs,
      arns: pulumi.output({
        repositoryArn: args.image.repositoryArn,
        logGroupArn: logs.arn,
        deploymentArn: parameter.arn,
        queueArn: queue.arn,
        deadLettersArn: queue.deadLettersArn,
        bucketArn: store.bucketArn,
      }),
      parent: this,
    });
    // Both groups' hosts are started by Auto Scaling, and those of one on spot.
    const grants = createKeyGrants(name, { ...host, selfHealing: true, purchaseOption: "spot" }, this);
    const template = createLaunchTemplate(name, {
      plan: host,
      imageId: args.amiId,
      instanceType: host.instanceType,
      securityGroupId: group.id,
      profile,
      userData: pulumi
        .all([deployment, args.image.repositoryUrl, worker.arn])
        .apply(([{ id }, repositoryUrl, role]) => hostUserData(args, { id, repositoryUrl, role })),
      endsWhenOff: true,
      readsTags: true,
      parent: this,
    });
    this.groups = createGroups(name, {
      plan: plan.hosts,
      template,
      subnetIds: network.subnetIds,
      // A host reads its parameter and takes its role as soon as it boots.
      dependsOn: [parameter, ...permissions, ...grants, ...network.routes],
      parent: this,
    });
    allowProtection(name, { worker, groups: this.groups, parent: this });
    const sources = {
      queueName: queue.queueName,
      deadLettersName: queue.deadLettersName,
      groups: this.groups,
      balancer: args.balancer,
    };
    createScaling(name, { plan: plan.scaling, warmUpSeconds: plan.hosts.warmUpSeconds, ...sources, parent: this });
    const notify = host.alarmTopicArn === null ? [] : [host.alarmTopicArn];
    const alarmArns = [
      ...createFleetAlarms(name, plan.alarms, { notify, sources, parent: this }),
      ...createHostAlarms(name, host, this),
    ];
    if (host.dashboard) createFleetDashboard(name, { plan: host, sources, alarmArns, parent: this });

    this.deploymentId = pulumi.all([deployment, parameter.id]).apply(([{ id }]) => id);
    this.logGroup = logs.name;
    this.logGroupArn = logs.arn;
    this.registerOutputs({ deploymentId: this.deploymentId });
  }
}

/** What a worker is to run, with the addresses of queue and store. */
function workerDeployment({ deployment, image, queue, store }: FleetHostsArgs): pulumi.Output<Deployment> {
  const facts = pulumi.all([image.imageReference, queue.url, queue.deadLettersUrl, store.address]);
  return facts.apply(([reference, url, deadLettersUrl, address]) => {
    const own = {
      [FLEET_VARIABLES.queueUrl]: url,
      [FLEET_VARIABLES.deadLetterQueueUrl]: deadLettersUrl,
      [FLEET_VARIABLES.jobStore]: address,
    };
    return renderDeployment({ ...deployment, environment: { ...deployment.environment, ...own } }, reference);
  });
}

function hostUserData(
  { plan, fixes }: FleetHostsArgs,
  { id, repositoryUrl, role }: { readonly id: string; readonly repositoryUrl: string; readonly role: string },
): string {
  return renderUserData(
    {
      ...plan.hosts.host,
      volumeId: "",
      formatIfBlank: false,
      filesystem: "xfs",
      registry: repositoryUrl.split("/")[0] ?? "",
      mirrorRoleArn: role,
      fleetDeployment: id,
    },
    fixes.host.inScripts,
  );
}

/** No inbound access. What goes out is the network's to allow. */
function createHostGroup(name: string, host: AwsHostPlan, vpcId: pulumi.Output<string>, parent: pulumi.Resource) {
  const group = new aws.ec2.SecurityGroup(
    `${name}-host`,
    { vpcId, description: `image-gen hosts of ${host.stack}: no way in` },
    { parent },
  );
  allowOut(`${name}-host-out`, { group, what: "what the hosts reach", host, parent });
  return group;
}

interface EgressArgs {
  readonly group: aws.ec2.SecurityGroup;
  readonly what: string;
  readonly host: Pick<AwsHostPlan, "endpointsOnly">;
  readonly parent: pulumi.Resource;
}

/** To endpoints alone, where there is nothing else. */
export function allowOut(name: string, { group, what, host, parent }: EgressArgs): void {
  const ports = host.endpointsOnly ? { ipProtocol: "tcp", fromPort: 443, toPort: 443 } : { ipProtocol: "-1" };
  new aws.vpc.SecurityGroupEgressRule(
    name,
    { securityGroupId: group.id, description: what, cidrIpv4: "0.0.0.0/0", ...ports },
    { parent },
  );
}
