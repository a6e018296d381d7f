/**
 * Stage 5 on AWS, host. In: an image, the data volume, the network and the host's plan. Out: one machine with a GPU that
 * runs the service. Never knows how a model loads; whether it did is the readiness stage's question.
 */
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { deploymentParameter } from "../../contract.ts";
import type { Fixes } from "../../fixes.ts";
import type { AwsDeploymentPlan } from "../../plan/aws/deployment.ts";
import type { AwsHostPlan } from "../../plan/aws/host.ts";
import { createAlarms } from "../alarms.ts";
import { createDashboard, type LoadBalancerDimensions } from "../dashboard.ts";
import { allowFromLoadBalancer } from "../load-balancer.ts";
import { createAutoScalingGroup } from "./auto-scaling-group.ts";
import { renderDeployment } from "./deployment.ts";
import { createHostRole } from "./host-role.ts";
import { createInstance } from "./instance.ts";
import { createKeyGrants } from "./key-grants.ts";
import { renderUserData } from "./user-data.ts";

export interface AwsHostArgs {
  readonly plan: AwsHostPlan;
  readonly deployment: AwsDeploymentPlan;
  readonly image: {
    readonly imageReference: pulumi.Input<string>;
    readonly repositoryUrl: pulumi.Input<string>;
    readonly repositoryArn: pulumi.Input<string>;
  };
  readonly volume: {
    readonly volumeId: pulumi.Output<string>;
    readonly volumeArn: pulumi.Output<string>;
  };
  readonly network: {
    readonly vpcId: pulumi.Output<string>;
    readonly subnetId: pulumi.Output<string>;
    readonly routes: readonly pulumi.Resource[];
  };
  readonly amiId: pulumi.Input<string>;
  readonly instanceType: pulumi.Input<string>;
  /** Null: requests come through a tunnel. */
  readonly loadBalancer: {
    readonly targetGroupArn: pulumi.Output<string>;
    readonly securityGroupId: pulumi.Output<string>;
    readonly dimensions: pulumi.Output<LoadBalancerDimensions>;
  } | null;
  readonly fixes: Fixes;
  readonly onLaunchError?: pulumi.ErrorHook | undefined;
}

/**
 * The service on a machine with a GPU. The machine holds scripts and no image: it reads what to run from a parameter, so
 * that another image, model or setting restarts a container and replaces nothing.
 */
export class AwsHost extends pulumi.ComponentResource {
  /** Null for a self-healing host, whose group makes others. */
  readonly instanceId: pulumi.Output<string | null>;
  /** The id of what the host is to run. */
  readonly deploymentId: pulumi.Output<string>;
  readonly securityGroupId: pulumi.Output<string>;
  readonly logGroup: pulumi.Output<string>;

  constructor(name: string, args: AwsHostArgs, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:host:AwsHost", name, {}, opts);
    const { plan, loadBalancer } = args;
    const child = { parent: this };

    const logs = new aws.cloudwatch.LogGroup(
      `${name}-logs`,
      { name: plan.logGroup, retentionInDays: plan.logRetentionDays },
      child,
    );
    const deployment = pulumi
      .output(args.image.imageReference)
      .apply((image) => renderDeployment(args.deployment, image));
    const parameter = new aws.ssm.Parameter(
      `${name}-deployment`,
      {
        name: deploymentParameter(plan.parameters),
        type: "String",
        value: deployment.apply((known) => JSON.stringify(known)),
        description: "What the image-gen host runs; written by Pulumi alone.",
      },
      child,
    );
    const group = createSecurityGroup(name, args, this);
    const { profile, mirrorRoleArn, permissions } = createHostRole(name, {
      plan,
      arns: pulumi.output({
        repositoryArn: args.image.repositoryArn,
        logGroupArn: logs.arn,
        deploymentArn: parameter.arn,
        volumeArn: args.volume.volumeArn,
      }),
      parent: this,
    });
    const grants = createKeyGrants(name, plan, this);
    const inputs = {
      plan,
      imageId: args.amiId,
      instanceType: args.instanceType,
      subnetId: args.network.subnetId,
      securityGroupId: group.id,
      profile,
      userData: createUserData(args, mirrorRoleArn),
      volumeId: args.volume.volumeId,
      dependsOn: [permissions, ...grants, ...args.network.routes],
      onLaunchError: args.onLaunchError,
      parent: this,
    };
    const targetGroupArns = loadBalancer ? [loadBalancer.targetGroupArn] : [];
    const autoScaling = plan.selfHealing ? createAutoScalingGroup(name, { ...inputs, targetGroupArns }) : null;
    const instance = autoScaling ? null : createInstance(name, inputs);
    const dimensions = instance ? { InstanceId: instance.id } : { AutoScalingGroupName: autoScaling?.name ?? "" };
    const alarmArns = createAlarms(name, { plan, dimensions, fixes: args.fixes.host, parent: this });
    const { volumeId } = args.volume;
    if (plan.dashboard) createDashboard(name, { plan, dimensions, volumeId, alarmArns, loadBalancer, parent: this });
    if (instance && loadBalancer) {
      const target = { targetGroupArn: loadBalancer.targetGroupArn, targetId: instance.id };
      new aws.lb.TargetGroupAttachment(`${name}-target`, target, child);
    }

    this.instanceId = instance ? instance.id : pulumi.output(null);
    this.deploymentId = pulumi.all([deployment, parameter.id, autoScaling?.id]).apply(([{ id }]) => id);
    this.securityGroupId = group.id;
    this.logGroup = logs.name;
    this.registerOutputs({ instanceId: this.instanceId, deploymentId: this.deploymentId });
  }
}

/** No inbound access but the load balancer's. What goes out is the network's to allow. */
function createSecurityGroup(
  name: string,
  { plan, network, loadBalancer }: AwsHostArgs,
  parent: pulumi.Resource,
): aws.ec2.SecurityGroup {
  const group = new aws.ec2.SecurityGroup(
    `${name}-host`,
    { vpcId: network.vpcId, description: `image-gen host of ${plan.stack}: no way in` },
    { parent },
  );
  if (loadBalancer) {
    const groups = { service: group.id, balancer: loadBalancer.securityGroupId };
    allowFromLoadBalancer(name, `${name}-host-in`, groups, parent);
  }
  const ports = plan.endpointsOnly ? { ipProtocol: "tcp", fromPort: 443, toPort: 443 } : { ipProtocol: "-1" };
  new aws.vpc.SecurityGroupEgressRule(
    `${name}-host-out`,
    { securityGroupId: group.id, description: "what the host reaches", cidrIpv4: "0.0.0.0/0", ...ports },
    { parent },
  );
  return group;
}

function createUserData({ plan, volume, image, fixes }: AwsHostArgs, mirrorRoleArn: pulumi.Output<string>) {
  return pulumi.all([volume.volumeId, image.repositoryUrl, mirrorRoleArn]).apply(([volumeId, repositoryUrl, mirror]) =>
    renderUserData(
      {
        ...plan,
        volumeId,
        filesystem: "xfs",
        registry: repositoryUrl.split("/")[0] ?? "",
        mirrorRoleArn: mirror,
      },
      fixes.host.inScripts,
    ),
  );
}
