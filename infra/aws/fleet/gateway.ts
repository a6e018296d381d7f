/**
 * Stage 6 of a fleet, gateway. In: the image, the queue, the store, the group to wake, and a load balancer. Out: tasks on Fargate behind it,
 * with the API of one host. It needs no GPU, and no host of the fleet.
 */
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { FLEET_VARIABLES, GATEWAY_CONTAINER, SERVICE_PORT } from "../../contract.ts";
import { hookName } from "../../hook-name.ts";
import type { AwsHostPlan } from "../../plan/aws/host.ts";
import { FREE_DISK_GIB } from "../../plan/fleet/gateway.ts";
import type { FleetPlan } from "../../plan/fleet/plan.ts";
import { allowFromLoadBalancer, LoadBalancer } from "../load-balancer.ts";
import { allowOut, type FleetHosts } from "./fleet-hosts.ts";
import type { FleetNetwork, GatewaySubnets } from "./fleet-network.ts";
import { createGatewayRoles } from "./gateway-roles.ts";
import { explainDeploymentError, renderContainers, TMP_VOLUME } from "./gateway-task.ts";
import type { JobQueue } from "./job-queue.ts";
import type { JobStore } from "./job-store.ts";

export interface FleetGatewayArgs {
  readonly plan: Pick<FleetPlan, "gateway" | "hosts" | "jobs">;
  /** What the program adds to the environment of every container. */
  readonly environment: Readonly<Record<string, string>>;
  readonly image: { readonly imageReference: pulumi.Input<string>; readonly repositoryArn: pulumi.Input<string> };
  readonly queue: JobQueue;
  readonly store: JobStore;
  readonly network: FleetNetwork;
  readonly hosts: FleetHosts;
  readonly loadBalancer: LoadBalancer;
}

/** Before the gateway; null where there is none. The hosts' dashboard and alarms show its figures. */
export function createGatewayBalancer(
  name: string,
  { gateway }: Pick<FleetPlan, "gateway">,
  network: FleetNetwork,
  opts?: pulumi.ComponentResourceOptions,
): LoadBalancer | null {
  if (gateway === null || network.gateway === null) return null;
  const where = { vpcId: network.vpcId, albSubnetIds: network.gateway.albSubnetIds };
  return new LoadBalancer(name, { plan: gateway.loadBalancer, network: where }, opts);
}

/** Null where the plan has none. */
export function createGateway(
  name: string,
  { loadBalancer, ...args }: Omit<FleetGatewayArgs, "loadBalancer"> & { readonly loadBalancer: LoadBalancer | null },
  opts?: pulumi.ComponentResourceOptions,
): FleetGateway | null {
  return loadBalancer === null ? null : new FleetGateway(name, { ...args, loadBalancer }, opts);
}

/** Tasks of ECS that hold nothing: any number of them may run, and each may end. */
export class FleetGateway extends pulumi.ComponentResource {
  readonly url: pulumi.Output<string>;
  readonly clusterName: pulumi.Output<string>;
  readonly serviceName: pulumi.Output<string>;

  constructor(name: string, args: FleetGatewayArgs, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:fleet:FleetGateway", name, {}, opts);
    const { network, loadBalancer, hosts } = args;
    const { gateway, hosts: hostsPlan } = args.plan;
    if (gateway === null || network.gateway === null) throw new Error("a gateway without a plan");
    const child = { parent: this };

    const group = createSecurityGroup(name, args, this);
    const roles = createGatewayRoles(name, {
      plan: hostsPlan.host,
      gateway,
      jobs: args.plan.jobs,
      arns: pulumi.output({
        repositoryArn: args.image.repositoryArn,
        logGroupArn: hosts.logGroupArn,
        queueArn: args.queue.arn,
        bucketArn: args.store.bucketArn,
        groupArn: hosts.groups.spot.arn,
      }),
      parent: this,
    });
    const task = new aws.ecs.TaskDefinition(
      `${name}-gateway`,
      {
        family: gateway.family,
        requiresCompatibilities: ["FARGATE"],
        networkMode: "awsvpc",
        cpu: String(gateway.cpuUnits),
        memory: String(gateway.memoryMib),
        ...(gateway.diskGib > FREE_DISK_GIB ? { ephemeralStorage: { sizeInGib: gateway.diskGib } } : {}),
        // As the image is built.
        runtimePlatform: { operatingSystemFamily: "LINUX", cpuArchitecture: "X86_64" },
        taskRoleArn: roles.task.arn,
        executionRoleArn: roles.execution.arn,
        volumes: [{ name: TMP_VOLUME }],
        containerDefinitions: containers(args),
      },
      child,
    );
    const cluster = new aws.ecs.Cluster(
      `${name}-gateway`,
      // The balancer's figures say what matters of an HTTP service, and cost nothing more.
      { settings: [{ name: "containerInsights", value: "disabled" }] },
      child,
    );
    const service = new aws.ecs.Service(
      `${name}-gateway`,
      {
        cluster: cluster.arn,
        taskDefinition: task.arn,
        desiredCount: gateway.count,
        launchType: "FARGATE",
        // New tasks answer before old ones end; those that never answer are given up, and the old ones stay.
        deploymentMinimumHealthyPercent: 100,
        deploymentMaximumPercent: 200,
        deploymentCircuitBreaker: { enable: true, rollback: true },
        availabilityZoneRebalancing: "ENABLED",
        healthCheckGracePeriodSeconds: START_SECONDS,
        networkConfiguration: networkOf(network.gateway, group),
        loadBalancers: [
          {
            targetGroupArn: loadBalancer.targetGroupArn,
            containerName: GATEWAY_CONTAINER,
            containerPort: SERVICE_PORT,
          },
        ],
        propagateTags: "SERVICE",
        enableEcsManagedTags: true,
        // Else an update succeeds whose tasks never start.
        waitForSteadyState: true,
      },
      {
        ...child,
        dependsOn: [...roles.permissions, ...network.routes],
        hooks: { onError: [deploymentErrorHook(name, hostsPlan.host)] },
      },
    );

    this.url = loadBalancer.url;
    this.clusterName = cluster.name;
    this.serviceName = service.name;
    this.registerOutputs({ url: this.url, serviceName: this.serviceName });
  }
}

/** From a task's start until it listens: it imports nothing large. */
const START_SECONDS = 60;

/** The provider says that tasks did not become stable, and neither why nor where that stands. */
function deploymentErrorHook(name: string, { region, logGroup }: Pick<AwsHostPlan, "region" | "logGroup">) {
  return new pulumi.ErrorHook(hookName(name, "gateway-does-not-answer"), async ({ errors, newInputs = {} }) => {
    const { cluster, name: service } = newInputs as { cluster?: string; name?: string };
    const line = explainDeploymentError(errors, { cluster, service, region, logGroup });
    if (line !== null) await pulumi.log.error(line);
    return false;
  });
}

/** What a worker has of the fleet, and the group that a job wakes. */
function containers({ plan, environment, image, queue, store, hosts }: FleetGatewayArgs): pulumi.Output<string> {
  const { gateway, hosts: hostsPlan } = plan;
  const facts = pulumi.all([image.imageReference, queue.url, store.address, hosts.groups.spot.name, hosts.logGroup]);
  return facts.apply(([reference, url, address, group, logGroup]) => {
    if (gateway === null) throw new Error("a gateway without a plan");
    const own = {
      [FLEET_VARIABLES.queueUrl]: url,
      [FLEET_VARIABLES.jobStore]: address,
      [FLEET_VARIABLES.autoScalingGroup]: group,
    };
    const all = { ...gateway.environment, ...environment, ...own };
    const { region } = hostsPlan.host;
    return renderContainers({ plan: { ...gateway, environment: all }, image: reference, region, logGroup });
  });
}

const networkOf = ({ subnetIds, publicAddresses }: GatewaySubnets, group: aws.ec2.SecurityGroup) => ({
  subnets: [...subnetIds],
  securityGroups: [group.id],
  assignPublicIp: publicAddresses,
});

/** Requests come from the load balancer alone. What goes out is the network's to allow. */
function createSecurityGroup(
  name: string,
  { plan, network, loadBalancer }: FleetGatewayArgs,
  parent: pulumi.Resource,
): aws.ec2.SecurityGroup {
  const { host } = plan.hosts;
  const group = new aws.ec2.SecurityGroup(
    `${name}-gateway`,
    { vpcId: network.vpcId, description: `the gateway of the fleet ${host.stack}` },
    { parent },
  );
  const groups = { service: group.id, balancer: loadBalancer.securityGroupId };
  allowFromLoadBalancer(name, `${name}-gateway-in`, groups, parent);
  allowOut(`${name}-gateway-out`, { group, what: "what the gateway reaches", host, parent });
  return group;
}
