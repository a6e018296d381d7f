import type { Cloud } from "../cloud.ts";
import { type Props, record, text, texts } from "../kind.ts";
import { type CallsByVerb, call, calls, ownKeys, requestKeys, textOrNone } from "./call.ts";
import { onOther, passed } from "./ec2-calls.ts";

/** The account that a resource is in. */
export interface Place {
  readonly cloud: Cloud;
  readonly arn: (service: string, resource: string) => string;
  readonly iam: (resource: string) => string;
}

/** Services whose resources are named: the ARN, and the calls. `*`: AWS has no resource for the call. */
export const NAMED: Readonly<Record<string, (place: Place, props: Props) => CallsByVerb>> = {
  "aws:iam/role:Role": ({ iam }, { name, permissionsBoundary }) => {
    const on = iam(`role/${text(name)}`);
    const bounded = { "iam:PermissionsBoundary": textOrNone(permissionsBoundary) };
    return {
      create: [call("iam:CreateRole", on, bounded), call("iam:TagRole", on)],
      read: calls(on, "iam:GetRole", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies"),
      update: [call("iam:UpdateAssumeRolePolicy", on), call("iam:PutRolePermissionsBoundary", on, bounded)],
      delete: calls(on, "iam:ListInstanceProfilesForRole", "iam:ListAttachedRolePolicies", "iam:DeleteRole"),
    };
  },
  "aws:iam/rolePolicy:RolePolicy": ({ iam, cloud }, { role }) => {
    const on = iam(`role/${text(role)}`);
    const { permissionsBoundary } = cloud.find("aws:iam/role:Role", text(role))?.props ?? {};
    const put = call("iam:PutRolePolicy", on, { "iam:PermissionsBoundary": textOrNone(permissionsBoundary) });
    return {
      create: [put],
      read: calls(on, "iam:GetRolePolicy"),
      update: [put],
      delete: calls(on, "iam:DeleteRolePolicy"),
    };
  },
  "aws:iam/instanceProfile:InstanceProfile": ({ iam }, { name, role }) => {
    const on = iam(`instance-profile/${text(name)}`);
    const pass = call("iam:PassRole", iam(`role/${text(role)}`), { "iam:PassedToService": "ec2.amazonaws.com" });
    return {
      create: [...calls(on, "iam:CreateInstanceProfile", "iam:AddRoleToInstanceProfile"), pass],
      read: calls(on, "iam:GetInstanceProfile"),
      update: calls(on, "iam:TagInstanceProfile"),
      delete: calls(on, "iam:RemoveRoleFromInstanceProfile", "iam:DeleteInstanceProfile"),
    };
  },
  "aws:ecr/repository:Repository": ({ arn }, { name }) => {
    const on = arn("ecr", `repository/${text(name)}`);
    return {
      create: calls(on, "ecr:CreateRepository", "ecr:TagResource"),
      read: calls(on, "ecr:DescribeRepositories", "ecr:ListTagsForResource"),
      update: calls(on, "ecr:PutImageTagMutability"),
      delete: calls(on, "ecr:DeleteRepository"),
    };
  },
  "aws:ecr/lifecyclePolicy:LifecyclePolicy": ({ arn }, { repository }) => {
    const on = arn("ecr", `repository/${text(repository)}`);
    const put = calls(on, "ecr:PutLifecyclePolicy");
    return {
      create: put,
      read: calls(on, "ecr:GetLifecyclePolicy"),
      update: put,
      delete: calls(on, "ecr:DeleteLifecyclePolicy"),
    };
  },
  "aws:ssm/parameter:Parameter": ({ arn }, { name }) => {
    const on = arn("ssm", `parameter${text(name)}`);
    return {
      create: calls(on, "ssm:PutParameter", "ssm:AddTagsToResource"),
      read: [...calls(on, "ssm:GetParameter", "ssm:ListTagsForResource"), call("ssm:DescribeParameters", "*")],
      update: calls(on, "ssm:PutParameter"),
      delete: calls(on, "ssm:DeleteParameter"),
    };
  },
  "aws:cloudwatch/logGroup:LogGroup": ({ arn }, { name }) => {
    const on = arn("logs", `log-group:${text(name)}`);
    return {
      create: calls(on, "logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:TagResource"),
      read: [call("logs:DescribeLogGroups", "*"), call("logs:ListTagsForResource", on)],
      update: calls(on, "logs:PutRetentionPolicy"),
      delete: calls(on, "logs:DeleteLogGroup"),
    };
  },
  "aws:cloudwatch/metricAlarm:MetricAlarm": ({ arn }, { name }) => {
    const on = arn("cloudwatch", `alarm:${text(name)}`);
    return {
      create: calls(on, "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"),
      read: calls(on, "cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource"),
      update: calls(on, "cloudwatch:PutMetricAlarm"),
      delete: calls(on, "cloudwatch:DeleteAlarms"),
    };
  },
  "aws:cloudwatch/dashboard:Dashboard": ({ cloud }, { dashboardName }) => {
    const on = `arn:aws:cloudwatch::${cloud.account}:dashboard/${text(dashboardName)}`;
    const put = calls(on, "cloudwatch:PutDashboard");
    return {
      create: put,
      read: calls(on, "cloudwatch:GetDashboard"),
      update: put,
      delete: calls(on, "cloudwatch:DeleteDashboards"),
    };
  },
  "aws:budgets/budget:Budget": ({ cloud }, { name }) => {
    const on = `arn:aws:budgets::${cloud.account}:budget/${text(name)}`;
    const modify = calls(on, "budgets:ModifyBudget");
    return { create: modify, read: calls(on, "budgets:ViewBudget"), update: modify, delete: modify };
  },
  "aws:cloudwatch/eventRule:EventRule": ({ arn }, { name }) => {
    const on = arn("events", `rule/${text(name)}`);
    return {
      create: calls(on, "events:PutRule", "events:TagResource"),
      read: calls(on, "events:DescribeRule", "events:ListTagsForResource"),
      update: calls(on, "events:PutRule"),
      delete: calls(on, "events:DeleteRule"),
    };
  },
  "aws:cloudwatch/eventTarget:EventTarget": ({ arn }, { rule }) => {
    const on = arn("events", `rule/${text(rule)}`);
    const put = calls(on, "events:PutTargets");
    return {
      create: put,
      read: calls(on, "events:ListTargetsByRule"),
      update: put,
      delete: calls(on, "events:RemoveTargets"),
    };
  },
  "aws:dlm/lifecyclePolicy:LifecyclePolicy": ({ arn, iam }, { tags, executionRoleArn, __id }) => {
    const on = arn("dlm", `policy/${text(__id) || "policy-new"}`);
    const role = text(executionRoleArn) || iam("role/none");
    const pass = call("iam:PassRole", role, { "iam:PassedToService": "dlm.amazonaws.com" });
    return {
      create: [
        call("dlm:CreateLifecyclePolicy", "*", requestKeys(tags)),
        call("dlm:TagResource", on, requestKeys(tags)),
        pass,
      ],
      read: [call("dlm:GetLifecyclePolicy", on, ownKeys(tags))],
      update: [call("dlm:UpdateLifecyclePolicy", on, ownKeys(tags))],
      delete: [call("dlm:DeleteLifecyclePolicy", on, ownKeys(tags))],
    };
  },
  "aws:autoscaling/group:Group": ({ arn, cloud }, group) => {
    const on = arn("autoscaling", `autoScalingGroup:0a1b:autoScalingGroupName/${text(group.name)}`);
    const template = templateOf(group);
    const others = [template, ...texts(group.vpcZoneIdentifiers)].filter((id) => id !== "");
    const profile = record(cloud.find("aws:ec2/launchTemplate:LaunchTemplate", template)?.props.iamInstanceProfile);
    // AWS checks that whoever makes or changes the group may start such hosts.
    const launch = [
      ...others.map((id) => onOther(cloud, "ec2:RunInstances", id)),
      ...passed(cloud, { iamInstanceProfile: profile.arn }),
    ];
    const has = (property: string, action: string) =>
      texts(group[property]).length > 0 ? calls(on, `autoscaling:${action}`) : [];
    return {
      create: [
        ...calls(on, "autoscaling:CreateAutoScalingGroup", "autoscaling:CreateOrUpdateTags"),
        ...launch,
        ...has("suspendedProcesses", "SuspendProcesses"),
        ...has("enabledMetrics", "EnableMetricsCollection"),
      ],
      read: [call("autoscaling:DescribeAutoScalingGroups", "*")],
      update: [...calls(on, "autoscaling:UpdateAutoScalingGroup", "autoscaling:StartInstanceRefresh"), ...launch],
      delete: calls(
        on,
        "autoscaling:UpdateAutoScalingGroup",
        // Of hosts that are protected from scale-in.
        "autoscaling:SetInstanceProtection",
        "autoscaling:DeleteAutoScalingGroup",
      ),
    };
  },
  "aws:lb/loadBalancer:LoadBalancer": ({ arn }, { name }) => {
    const on = arn("elasticloadbalancing", `loadbalancer/app/${text(name)}/0a1b`);
    return balancer(on, "LoadBalancer", "ModifyLoadBalancerAttributes");
  },
  "aws:lb/targetGroup:TargetGroup": ({ arn }, { name }) => {
    const on = arn("elasticloadbalancing", `targetgroup/${text(name)}/0a1b`);
    return balancer(on, "TargetGroup", "ModifyTargetGroup");
  },
  "aws:lb/listener:Listener": (_, { loadBalancerArn, arn }) => {
    const made = text(arn).includes(":listener/app/")
      ? text(arn)
      : text(loadBalancerArn).replace(":loadbalancer/", ":listener/");
    const { create, ...others } = balancer(`${made}/0c1d`, "Listener", "ModifyListener");
    return { ...others, create: [...create, call("elasticloadbalancing:CreateListener", text(loadBalancerArn))] };
  },
  "aws:lb/targetGroupAttachment:TargetGroupAttachment": (_, { targetGroupArn }) => {
    const register = calls(text(targetGroupArn), "elasticloadbalancing:RegisterTargets");
    return {
      create: register,
      read: [call("elasticloadbalancing:DescribeTargetHealth", "*")],
      update: register,
      delete: calls(text(targetGroupArn), "elasticloadbalancing:DeregisterTargets"),
    };
  },
  "aws:s3/bucket:Bucket": (_, { bucket }) => {
    const on = `arn:aws:s3:::${text(bucket)}`;
    return {
      create: calls(on, "s3:CreateBucket", "s3:PutBucketTagging"),
      read: calls(on, "s3:ListBucket", "s3:GetBucketAcl", "s3:GetBucketTagging", "s3:GetLifecycleConfiguration"),
      update: calls(on, "s3:PutBucketTagging"),
      delete: calls(on, "s3:ListBucketVersions", "s3:DeleteBucket"),
    };
  },
  "aws:s3/bucketPolicy:BucketPolicy": bucketSetting("BucketPolicy", true),
  "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": bucketSetting("BucketPublicAccessBlock"),
  "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration":
    bucketSetting("EncryptionConfiguration"),
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": bucketSetting("LifecycleConfiguration"),
};

/** The id of the group's template, which may be one of a policy for several types. */
function templateOf({ launchTemplate, mixedInstancesPolicy }: Props): string {
  const mixed = record(record(mixedInstancesPolicy).launchTemplate);
  return text(record(launchTemplate).id) || text(record(mixed.launchTemplateSpecification).launchTemplateId);
}

function balancer(on: string, noun: string, modify: string): CallsByVerb {
  return {
    create: calls(on, `elasticloadbalancing:Create${noun}`, "elasticloadbalancing:AddTags"),
    read: [call(`elasticloadbalancing:Describe${noun}s`, "*"), call("elasticloadbalancing:DescribeTags", "*")],
    update: calls(on, `elasticloadbalancing:${modify}`),
    delete: calls(on, `elasticloadbalancing:Delete${noun}`),
  };
}

/** A setting of a bucket that is put and read; `removable`: it has a call of its own to be taken away. */
function bucketSetting(noun: string, removable = false) {
  return (_: Place, { bucket }: Props): CallsByVerb => {
    const on = `arn:aws:s3:::${text(bucket)}`;
    const put = calls(on, `s3:Put${noun}`);
    return {
      create: put,
      read: calls(on, `s3:Get${noun}`),
      update: put,
      delete: removable ? calls(on, `s3:Delete${noun}`) : put,
    };
  };
}
