import type * as pulumi from "@pulumi/pulumi";

type Tags = Readonly<Record<string, string>>;

const GROUP = "aws:autoscaling/group:Group";
const TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate";

/** Types of the components' resources that AWS gives tags. */
export const TAGGED_TYPES: ReadonlySet<string> = new Set([
  TEMPLATE,
  "aws:budgets/budget:Budget",
  "aws:cloudwatch/eventRule:EventRule",
  "aws:cloudwatch/logGroup:LogGroup",
  "aws:cloudwatch/metricAlarm:MetricAlarm",
  "aws:dlm/lifecyclePolicy:LifecyclePolicy",
  "aws:ebs/volume:Volume",
  "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
  "aws:ec2/eip:Eip",
  "aws:ec2/flowLog:FlowLog",
  "aws:ec2/instance:Instance",
  "aws:ec2/internetGateway:InternetGateway",
  "aws:ec2/natGateway:NatGateway",
  "aws:ec2/routeTable:RouteTable",
  "aws:ec2/securityGroup:SecurityGroup",
  "aws:ec2/subnet:Subnet",
  "aws:ec2/vpc:Vpc",
  "aws:ec2/vpcEndpoint:VpcEndpoint",
  "aws:ecr/repository:Repository",
  "aws:ecs/cluster:Cluster",
  "aws:ecs/service:Service",
  "aws:ecs/taskDefinition:TaskDefinition",
  "aws:iam/instanceProfile:InstanceProfile",
  "aws:iam/role:Role",
  "aws:lb/listener:Listener",
  "aws:lb/loadBalancer:LoadBalancer",
  "aws:lb/targetGroup:TargetGroup",
  "aws:s3/bucket:Bucket",
  "aws:sqs/queue:Queue",
  "aws:ssm/parameter:Parameter",
  "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
]);

/** Adds tags to a component's resources, whoever their provider is. A resource's own tag of a name stays. */
export function addTags(tags: Tags): pulumi.ResourceTransform {
  return ({ type, props, opts }) => {
    if (type === GROUP)
      return { props: { ...props, tags: [...(props.tags ?? []), ...missing(tags, props.tags)] }, opts };
    if (!TAGGED_TYPES.has(type)) return undefined;
    const specifications = (props.tagSpecifications ?? []) as readonly { tags?: Tags }[];
    const launched = specifications.map((each) => ({ ...each, tags: { ...tags, ...each.tags } }));
    const more = type === TEMPLATE ? { tagSpecifications: launched } : {};
    return { props: { ...props, ...more, tags: { ...tags, ...props.tags } }, opts };
  };
}

function missing(tags: Tags, present: readonly { readonly key: string }[] = []) {
  const names = present.map(({ key }) => key);
  const added = Object.entries(tags).filter(([key]) => !names.includes(key));
  return added.map(([key, value]) => ({ key, value, propagateAtLaunch: true }));
}
