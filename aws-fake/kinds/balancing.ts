import { AwsError } from "../aws-error.ts";
import { type Kind, number, record, text, texts } from "../kind.ts";
import { demandLogBucket } from "./buckets.ts";
import { plain } from "./plain.ts";

const BALANCER = "aws:lb/loadBalancer:LoadBalancer";
const TARGETS = "aws:lb/targetGroup:TargetGroup";
const LISTENER = "aws:lb/listener:Listener";
const GROUP = "aws:ec2/securityGroup:SecurityGroup";
const SUBNET = "aws:ec2/subnet:Subnet";
const elb = "elasticloadbalancing";

export const BALANCING: readonly Kind[] = [
  plain({
    token: BALANCER,
    api: ["CreateLoadBalancer", "ModifyLoadBalancerAttributes", "DeleteLoadBalancer"],
    id: (cloud, { name }) => cloud.arn(elb, `loadbalancer/app/${text(name)}/50dc6c495c0c9188`),
    name: "name",
    replaces: ["internal", "loadBalancerType", "namePrefix"],
    references: { securityGroups: GROUP, subnets: SUBNET },
    outputs: (cloud, key, { name }) => ({
      arn: key,
      arnSuffix: key.slice(key.indexOf("app/")),
      dnsName: `${text(name)}-1234567890.${cloud.region}.elb.amazonaws.com`,
      zoneId: "Z35SXDOTRQ7X7K",
      vpcId: "vpc-of-the-subnets",
    }),
    beforeDelete: (_, { id, props }) => {
      if (props.enableDeletionProtection === true)
        throw new AwsError(
          "OperationNotPermitted",
          `Load balancer '${id}' cannot be deleted because deletion protection is enabled`,
        );
    },
    demand: (cloud, { name, idleTimeout, subnets, accessLogs }) => {
      const { enabled, bucket } = record(accessLogs);
      if (enabled === true) demandLogBucket(cloud, text(bucket));
      if (text(name).length > 32) throw new AwsError("ValidationError", `'${text(name)}' is longer than 32 characters`);
      if (number(idleTimeout, 60) < 1 || number(idleTimeout, 60) > 4000)
        throw new AwsError("InvalidConfigurationRequest", "idle_timeout.timeout_seconds is out of range");
      const zones = texts(subnets).map((one) => text(cloud.get(SUBNET, one).props.availabilityZone));
      if (new Set(zones).size < 2)
        throw new AwsError(
          "ValidationError",
          "At least two subnets in two different Availability Zones must be specified",
        );
    },
  }),
  plain({
    token: TARGETS,
    api: ["CreateTargetGroup", "ModifyTargetGroup", "DeleteTargetGroup"],
    id: (cloud, { name }) => cloud.arn(elb, `targetgroup/${text(name)}/73e2d6bc24d8a067`),
    name: "name",
    replaces: ["port", "protocol", "targetType", "vpcId", "ipAddressType", "protocolVersion"],
    references: { vpcId: "aws:ec2/vpc:Vpc" },
    outputs: (_, key) => ({ arn: key, arnSuffix: key.slice(key.indexOf("targetgroup/")) }),
    demand: (_, { name }) => {
      if (text(name).length > 32) throw new AwsError("ValidationError", `'${text(name)}' is longer than 32 characters`);
    },
  }),
  plain({
    token: LISTENER,
    api: ["CreateListener", "ModifyListener", "DeleteListener"],
    id: (_, { loadBalancerArn, port }) =>
      `${text(loadBalancerArn).replace(":loadbalancer/", ":listener/")}/${number(port)}`,
    replaces: ["loadBalancerArn"],
    references: { loadBalancerArn: BALANCER },
    outputs: (_, key) => ({ arn: key }),
    demand: (cloud, { protocol, certificateArn, defaultActions }) => {
      if (protocol === "HTTPS" && certificateArn === undefined)
        throw new AwsError("CertificateNotFound", "A certificate must be specified for HTTPS listeners");
      const forwards = Array.isArray(defaultActions) && defaultActions.some((one) => record(one).type === "forward");
      if (protocol === "HTTP" && forwards) cloud.broke("a listener without TLS forwards to the host");
    },
  }),
  plain({
    token: "aws:lb/listenerRule:ListenerRule",
    api: ["CreateRule", "ModifyRule", "DeleteRule"],
    id: (_, { listenerArn, priority }) => `${text(listenerArn)}/rule/${number(priority)}`,
    replaces: ["listenerArn"],
    references: { listenerArn: LISTENER },
    outputs: (_, key) => ({ arn: key }),
  }),
  plain({
    token: "aws:lb/targetGroupAttachment:TargetGroupAttachment",
    api: ["RegisterTargets", "RegisterTargets", "DeregisterTargets"],
    taggable: false,
    id: (_, { targetGroupArn, targetId }) => `${text(targetGroupArn)}-${text(targetId)}`,
    replaces: ["targetGroupArn", "targetId", "port", "availabilityZone"],
    references: { targetGroupArn: TARGETS, targetId: "aws:ec2/instance:Instance" },
  }),
];
