import * as pulumi from "@pulumi/pulumi";
import { createBudget } from "../../infra/aws/budget.ts";
import { AwsHost } from "../../infra/aws/host/aws-host.ts";
import { LoadBalancer } from "../../infra/aws/load-balancer.ts";
import { AwsNetwork } from "../../infra/aws/network/network.ts";
import { DataVolume } from "../../infra/aws/volume/data-volume.ts";
import { SnapshotSchedule } from "../../infra/aws/volume/snapshot-schedule.ts";
import { checkoutFixes } from "../../infra/fixes.ts";
import type { AwsPlan } from "../../infra/plan/aws/plan.ts";
import { type Registered, type RunOptions, runProgram } from "./program.ts";

/** What AWS would say of the resources that the components ask. */
const OUTPUTS: Readonly<Record<string, Record<string, unknown>>> = {
  "aws:ebs/volume:Volume": { arn: "arn:aws:ec2:us-east-1:1:volume/vol-1" },
  "aws:iam/role:Role": { arn: "arn:aws:iam::1:role/r", name: "r" },
  "aws:iam/instanceProfile:InstanceProfile": { arn: "arn:aws:iam::1:instance-profile/p", name: "p" },
  "aws:cloudwatch/logGroup:LogGroup": { arn: "arn:aws:logs:us-east-1:1:log-group:/imagegen/prod" },
  "aws:ssm/parameter:Parameter": { arn: "arn:aws:ssm:us-east-1:1:parameter/imagegen/prod/deployment" },
  "aws:lb/loadBalancer:LoadBalancer": { arn: "arn:alb", dnsName: "alb.example" },
  "aws:s3/bucket:Bucket": { arn: "arn:aws:s3:::logs" },
  "aws:lb/targetGroup:TargetGroup": { arn: "arn:target" },
  "aws:lb/listener:Listener": { arn: "arn:listener" },
  "aws:ec2/launchTemplate:LaunchTemplate": { latestVersion: 3 },
  "aws:dlm/lifecyclePolicy:LifecyclePolicy": { arn: "arn:policy" },
  "aws:cloudwatch/eventRule:EventRule": { name: "rule" },
  "aws:autoscaling/group:Group": { name: "group" },
};

export const IMAGE = {
  imageReference: `1.dkr.ecr.us-east-1.amazonaws.com/r@sha256:${"1".repeat(64)}`,
  repositoryUrl: "1.dkr.ecr.us-east-1.amazonaws.com/r",
  repositoryArn: "arn:aws:ecr:us-east-1:1:repository/r",
};

/** A piece of a program with mocks that answer as AWS would. */
export async function runAws<T>(program: () => T | Promise<T>, options: RunOptions = {}) {
  return runProgram(program, {
    answers: {
      "aws:ec2/getSubnet:getSubnet": { vpcId: "vpc-there", availabilityZone: "us-east-1d" },
      "aws:index/getCallerIdentity:getCallerIdentity": { accountId: "123456789012" },
      "aws:secretsmanager/getSecretVersion:getSecretVersion": { secretString: "sesame" },
    },
    outputs: ({ type }) => OUTPUTS[type] ?? {},
    ...options,
  });
}

/** The components of a stack, joined as the program joins them, on an image that is there already. */
export async function runStack(plan: AwsPlan, zone = "us-east-1b", options: RunOptions = {}) {
  const fixes = checkoutFixes(plan.stack);
  return runAws(() => {
    const cache = new DataVolume("image-gen", { plan: plan.volume, zone, stack: plan.stack, fixes });
    if (plan.snapshots) new SnapshotSchedule("image-gen", { plan: plan.snapshots, volumeId: cache.volumeId });
    if (plan.budget) createBudget("image-gen", plan.budget, {});
    const zones = pulumi.output(["us-east-1a", "us-east-1b", "us-east-1c"]);
    const where = { region: plan.region, zone: cache.availabilityZone, zones };
    const network = new AwsNetwork("image-gen", { plan: plan.network, ...where });
    const loadBalancer = plan.loadBalancer && new LoadBalancer("image-gen", { plan: plan.loadBalancer, network });
    const host = new AwsHost("image-gen", {
      plan: plan.host,
      deployment: plan.deployment,
      image: IMAGE,
      volume: cache,
      network,
      amiId: "ami-0123456789abcdef0",
      instanceType: plan.host.instanceType,
      loadBalancer,
      fixes,
    });
    return { cache, network, loadBalancer, host };
  }, options);
}

/** Inputs by the resource's name, of all resources of a type. */
export function inputsOf(resources: readonly Registered[], type: string): Record<string, Record<string, unknown>> {
  return Object.fromEntries(
    resources.filter((resource) => resource.type === type).map(({ name, inputs }) => [name, inputs]),
  );
}
