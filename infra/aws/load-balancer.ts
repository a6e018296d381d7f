import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { SECRET_PLACEHOLDER, SERVICE_PORT } from "../contract.ts";
import type { LoadBalancerPlan, OidcPlan } from "../plan/aws/load-balancer.ts";
import { createAccessLogs } from "./access-logs.ts";
import type { LoadBalancerDimensions } from "./dashboard.ts";

export interface LoadBalancerArgs {
  readonly plan: LoadBalancerPlan;
  readonly network: {
    readonly vpcId: pulumi.Output<string>;
    readonly albSubnetIds: readonly pulumi.Input<string>[];
  };
}

/**
 * A load balancer that takes TLS alone, from the ranges of config alone, and forwards only authenticated requests.
 * Its type keeps an earlier name, so that existing stacks keep the resource.
 */
export class LoadBalancer extends pulumi.ComponentResource {
  readonly url: pulumi.Output<string>;
  readonly targetGroupArn: pulumi.Output<string>;
  /** Of its metrics. */
  readonly dimensions: pulumi.Output<LoadBalancerDimensions>;
  /** The group whose requests the host, or the gateway, accepts. */
  readonly securityGroupId: pulumi.Output<string>;

  constructor(name: string, { plan, network }: LoadBalancerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:host:AwsAccess", name, {}, opts);
    const child = { parent: this };

    const group = createSecurityGroup(name, plan, network.vpcId, this);
    const logs = createAccessLogs(name, plan, this);
    const balancer = new aws.lb.LoadBalancer(
      `${name}-alb`,
      {
        loadBalancerType: "application",
        internal: plan.internal,
        subnets: [...network.albSubnetIds],
        securityGroups: [group.id],
        idleTimeout: plan.idleTimeoutSeconds,
        dropInvalidHeaderFields: true,
        enableDeletionProtection: plan.deletionProtection,
        accessLogs: { enabled: true, bucket: logs.bucket },
      },
      // The balancer tries to write as soon as it has a bucket.
      { ...child, dependsOn: [logs.policy] },
    );
    const target = new aws.lb.TargetGroup(
      `${name}-service`,
      {
        vpcId: network.vpcId,
        port: plan.servicePort,
        protocol: "HTTP",
        targetType: plan.targetType,
        deregistrationDelay: plan.deregistrationSeconds,
        healthCheck: { path: plan.readyPath, matcher: "200", interval: 15, timeout: 10, unhealthyThreshold: 3 },
      },
      child,
    );
    const listener = new aws.lb.Listener(
      `${name}-tls`,
      {
        loadBalancerArn: balancer.arn,
        port: 443,
        protocol: "HTTPS",
        sslPolicy: "ELBSecurityPolicy-TLS13-1-2-2021-06",
        certificateArn: plan.certificateArn,
        defaultActions: listenerActions(plan.oidc, target.arn, this),
      },
      child,
    );
    new aws.lb.Listener(
      `${name}-redirect`,
      {
        loadBalancerArn: balancer.arn,
        port: 80,
        protocol: "HTTP",
        defaultActions: [{ type: "redirect", redirect: { port: "443", protocol: "HTTPS", statusCode: "HTTP_301" } }],
      },
      child,
    );

    this.url = pulumi.interpolate`https://${balancer.dnsName}`;
    // A target whose group has no listener can't become healthy.
    this.targetGroupArn = pulumi.all([target.arn, listener.arn]).apply(([arn]) => arn);
    this.securityGroupId = group.id;
    this.dimensions = pulumi.output({ LoadBalancer: balancer.arnSuffix, TargetGroup: target.arnSuffix });
    this.registerOutputs({ url: this.url });
  }
}

function createSecurityGroup(
  name: string,
  plan: LoadBalancerPlan,
  vpcId: pulumi.Output<string>,
  parent: pulumi.Resource,
): aws.ec2.SecurityGroup {
  const group = new aws.ec2.SecurityGroup(`${name}-alb`, { vpcId, description: "image-gen load balancer" }, { parent });
  for (const cidr of plan.allowedCidrs) {
    for (const port of [443, 80]) {
      new aws.vpc.SecurityGroupIngressRule(
        `${name}-alb-${port}-${cidr.replace("/", "-")}`,
        {
          securityGroupId: group.id,
          description: "clients, by allowedCidrs",
          cidrIpv4: cidr,
          ipProtocol: "tcp",
          fromPort: port,
          toPort: port,
        },
        { parent },
      );
    }
  }
  if (plan.oidc) {
    new aws.vpc.SecurityGroupEgressRule(
      `${name}-alb-sign-in`,
      {
        securityGroupId: group.id,
        description: "the identity provider",
        cidrIpv4: "0.0.0.0/0",
        ipProtocol: "tcp",
        fromPort: 443,
        toPort: 443,
      },
      { parent },
    );
  }
  return group;
}

/** From the load balancer to the service, and nothing else of either. `rule`: the name of the rule that lets it in. */
export function allowFromLoadBalancer(
  name: string,
  rule: string,
  { service, balancer }: { readonly service: pulumi.Output<string>; readonly balancer: pulumi.Output<string> },
  parent: pulumi.Resource,
): void {
  const port = { ipProtocol: "tcp", fromPort: SERVICE_PORT, toPort: SERVICE_PORT };
  new aws.vpc.SecurityGroupIngressRule(
    rule,
    { securityGroupId: service, description: "the load balancer", referencedSecurityGroupId: balancer, ...port },
    { parent },
  );
  new aws.vpc.SecurityGroupEgressRule(
    `${name}-alb-out`,
    { securityGroupId: balancer, description: "the service", referencedSecurityGroupId: service, ...port },
    { parent },
  );
}

/** Sign-in first, where the load balancer asks for it; then the service. */
function listenerActions(
  oidc: OidcPlan | null,
  targetGroupArn: pulumi.Output<string>,
  parent: pulumi.Resource,
): aws.types.input.lb.ListenerDefaultAction[] {
  const forward = { type: "forward", targetGroupArn };
  if (oidc === null) return [forward];
  const { clientSecretArn, ...client } = oidc;
  const clientSecret =
    clientSecretArn === null
      ? SECRET_PLACEHOLDER
      : aws.secretsmanager.getSecretVersionOutput({ secretId: clientSecretArn }, { parent }).secretString;
  return [
    {
      type: "authenticate-oidc",
      order: 1,
      authenticateOidc: { ...client, clientSecret: pulumi.secret(clientSecret) },
    },
    { ...forward, order: 2 },
  ];
}
