import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { deploymentParameter, SERVICE_PORT } from "../../contract.ts";
import type { AwsDeploymentPlan } from "../../plan/aws/deployment.ts";
import type { AwsHostPlan } from "../../plan/aws/host.ts";
import { makeAlarms } from "../alarms.ts";
import { makeGroup } from "./auto-scaling-group.ts";
import { type Deployment, deploymentOf } from "./deployment-parameter.ts";
import { makeHostRole } from "./host-role.ts";
import { makeInstance } from "./instance.ts";
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
  /** Where requests come from, when not by a tunnel. */
  readonly behind: Behind | null;
  readonly onRefusal?: pulumi.ErrorHook | undefined;
}

/** The load balancer before the host. */
interface Behind {
  readonly targetGroupArn: pulumi.Output<string>;
  readonly securityGroupId: pulumi.Output<string>;
}

/**
 * The service on a machine with a GPU. The machine holds scripts and no image: what it runs stands in a parameter that
 * it reads, so that another image, model or setting restarts a container and replaces nothing.
 */
export class AwsHost extends pulumi.ComponentResource {
  /** The host's id; of a self-healing one, null: its group makes others. */
  readonly instanceId: pulumi.Output<string | null>;
  /** The id of what the host was told to run. */
  readonly deploymentId: pulumi.Output<string>;
  readonly securityGroupId: pulumi.Output<string>;
  readonly logGroup: pulumi.Output<string>;

  constructor(name: string, args: AwsHostArgs, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:host:AwsHost", name, {}, opts);
    const { plan } = args;
    const child = { parent: this };

    const logs = new aws.cloudwatch.LogGroup(
      `${name}-logs`,
      { name: plan.logGroup, retentionInDays: plan.logRetentionDays },
      child,
    );
    const deployment = pulumi.output(args.image.imageReference).apply((image) => deploymentOf(args.deployment, image));
    const told = tell(name, plan, deployment, this);
    const group = securityGroup(name, args, this);
    const { profile, mirrorRoleArn, permissions } = makeHostRole(name, {
      plan,
      subjects: pulumi.output({
        repositoryArn: args.image.repositoryArn,
        logGroupArn: logs.arn,
        deploymentArn: told.arn,
        volumeArn: args.volume.volumeArn,
      }),
      parent: this,
    });
    const parts = {
      plan,
      imageId: args.amiId,
      subnetId: args.network.subnetId,
      securityGroupId: group.id,
      profile,
      userData: userDataOf(args, mirrorRoleArn),
      volumeId: args.volume.volumeId,
      dependsOn: [permissions, ...args.network.routes],
      onRefusal: args.onRefusal,
      parent: this,
    };
    const targetGroupArns = args.behind ? [args.behind.targetGroupArn] : [];
    const host = plan.selfHealing
      ? { instance: null, group: makeGroup(name, { ...parts, targetGroupArns }) }
      : { instance: makeInstance(name, parts), group: null };
    const subject = host.instance ? { InstanceId: host.instance.id } : { AutoScalingGroupName: host.group?.name ?? "" };
    makeAlarms(name, { plan, subject, parent: this });
    if (host.instance && args.behind) {
      const behind = { targetGroupArn: args.behind.targetGroupArn, targetId: host.instance.id };
      new aws.lb.TargetGroupAttachment(`${name}-target`, behind, child);
    }

    this.instanceId = host.instance ? host.instance.id : pulumi.output(null);
    this.deploymentId = pulumi.all([deployment, told.id, host.group?.id]).apply(([{ id }]) => id);
    this.securityGroupId = group.id;
    this.logGroup = logs.name;
    this.registerOutputs({ instanceId: this.instanceId, deploymentId: this.deploymentId });
  }
}

/** The parameter that the host reads; a change of it alone is a deployment. */
function tell(
  name: string,
  plan: AwsHostPlan,
  deployment: pulumi.Output<Deployment>,
  parent: pulumi.Resource,
): aws.ssm.Parameter {
  return new aws.ssm.Parameter(
    `${name}-deployment`,
    {
      name: deploymentParameter(plan.parameters),
      type: "String",
      value: deployment.apply((known) => JSON.stringify(known)),
      description: "What the image-gen host runs; written by Pulumi alone.",
    },
    { parent },
  );
}

/** Nothing comes in: a load balancer adds its own rule. What goes out is the network's to allow. */
function securityGroup(
  name: string,
  { plan, network, behind }: AwsHostArgs,
  parent: pulumi.Resource,
): aws.ec2.SecurityGroup {
  const group = new aws.ec2.SecurityGroup(
    `${name}-host`,
    { vpcId: network.vpcId, description: `image-gen host of ${plan.stack}: no way in` },
    { parent },
  );
  if (behind) letIn(name, group.id, behind.securityGroupId, parent);
  const out = plan.endpointsOnly ? { ipProtocol: "tcp", fromPort: 443, toPort: 443 } : { ipProtocol: "-1" };
  new aws.vpc.SecurityGroupEgressRule(
    `${name}-host-out`,
    { securityGroupId: group.id, cidrIpv4: "0.0.0.0/0", ...out },
    { parent },
  );
  return group;
}

/** From the load balancer to the service, and nothing else of either. */
function letIn(
  name: string,
  host: pulumi.Output<string>,
  balancer: pulumi.Output<string>,
  parent: pulumi.Resource,
): void {
  const service = { ipProtocol: "tcp", fromPort: SERVICE_PORT, toPort: SERVICE_PORT };
  new aws.vpc.SecurityGroupIngressRule(
    `${name}-host-in`,
    { securityGroupId: host, referencedSecurityGroupId: balancer, ...service },
    { parent },
  );
  new aws.vpc.SecurityGroupEgressRule(
    `${name}-alb-out`,
    { securityGroupId: balancer, referencedSecurityGroupId: host, ...service },
    { parent },
  );
}

function userDataOf(args: AwsHostArgs, mirrorRoleArn: pulumi.Output<string>): pulumi.Output<string> {
  const { plan } = args;
  return pulumi
    .all([args.volume.volumeId, args.image.repositoryUrl, mirrorRoleArn])
    .apply(([volumeId, repositoryUrl, mirror]) =>
      renderUserData({
        region: plan.region,
        stack: plan.stack,
        parameters: plan.parameters,
        volumeId,
        formatIfBlank: plan.formatIfBlank,
        filesystem: "xfs",
        logGroup: plan.logGroup,
        registry: repositoryUrl.split("/")[0] ?? "",
        selfAttach: plan.selfHealing,
        idleStopMinutes: plan.idleStopMinutes,
        endpointsOnly: plan.endpointsOnly,
        publishAddress: plan.publishAddress,
        mirrorRoleArn: mirror,
      }),
    );
}
