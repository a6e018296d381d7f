import { FleetHosts } from "../../infra/aws/fleet/fleet-hosts.ts";
import { FleetNetwork } from "../../infra/aws/fleet/fleet-network.ts";
import { createGateway, createGatewayBalancer } from "../../infra/aws/fleet/gateway.ts";
import { JobQueue } from "../../infra/aws/fleet/job-queue.ts";
import { JobStore } from "../../infra/aws/fleet/job-store.ts";
import type { FleetSettings } from "../../infra/config/fleet/settings.ts";
import { parseSettings } from "../../infra/config/parse.ts";
import { wordForPulumi } from "../../infra/config/problem.ts";
import { checkoutFixes } from "../../infra/fixes.ts";
import { type FleetPlan, type LoadForecast, makeFleetPlan } from "../../infra/plan/fleet/plan.ts";
import { IMAGE, runAws } from "./aws-program.ts";
import type { RunOptions } from "./program.ts";
import { manifest } from "./settings.ts";

type Raw = Readonly<Record<string, string>>;

/** The settings of a fleet with this config and nothing else. */
export function fleetSettings(raw: Raw = {}, region = "us-east-1"): FleetSettings {
  const parsed = parseSettings({ target: "fleet", ...raw }, { region });
  if ("problems" in parsed) throw new Error(parsed.problems.map(wordForPulumi).join("\n"));
  if (parsed.settings.target !== "fleet") throw new Error("another target");
  return parsed.settings;
}

/** The problems of such a config. */
export function fleetProblemsWith(raw: Raw, region = "us-east-1"): readonly string[] {
  const parsed = parseSettings({ target: "fleet", ...raw }, { region });
  return "problems" in parsed ? parsed.problems.map(wordForPulumi) : [];
}

export const fleetPlanWith = (raw: Raw = {}, forecast: LoadForecast = {}): FleetPlan =>
  makeFleetPlan(fleetSettings(raw), manifest, "prod", forecast);

/** Config of a gateway that is as it must be. */
export const GATEWAY = {
  gatewayCount: "2",
  certificateArn: "arn:aws:acm:us-east-1:123456789012:certificate/c0ffee",
  allowedCidrs: "203.0.113.0/24",
  apiKeySecretArn: "arn:aws:secretsmanager:us-east-1:123456789012:secret:key-AbCdEf",
} as const;

const OUTPUTS: Readonly<Record<string, (name: string) => Record<string, unknown>>> = {
  "aws:sqs/queue:Queue": (name) => ({
    arn: `arn:aws:sqs:us-east-1:1:${name}`,
    url: `https://sqs.us-east-1.amazonaws.com/1/${name}`,
    name,
  }),
  "aws:s3/bucket:Bucket": (name) => ({ arn: `arn:aws:s3:::${name}`, bucket: name }),
  "aws:iam/role:Role": (name) => ({ arn: `arn:aws:iam::1:role/${name}`, name }),
  "aws:iam/instanceProfile:InstanceProfile": (name) => ({ arn: `arn:aws:iam::1:instance-profile/${name}`, name }),
  "aws:cloudwatch/logGroup:LogGroup": (name) => ({ arn: `arn:aws:logs:us-east-1:1:log-group:${name}` }),
  "aws:cloudwatch/metricAlarm:MetricAlarm": (name) => ({ arn: `arn:alarm:${name}` }),
  "aws:ssm/parameter:Parameter": () => ({ arn: "arn:aws:ssm:us-east-1:1:parameter/imagegen/prod/deployment" }),
  "aws:ec2/launchTemplate:LaunchTemplate": () => ({ latestVersion: 3 }),
  "aws:autoscaling/group:Group": (name) => ({
    name,
    arn: `arn:aws:autoscaling:us-east-1:1:autoScalingGroup:x:autoScalingGroupName/${name}`,
  }),
  "aws:lb/loadBalancer:LoadBalancer": () => ({ arn: "arn:alb", dnsName: "alb.example", arnSuffix: "app/alb/1" }),
  "aws:lb/targetGroup:TargetGroup": () => ({ arn: "arn:target", arnSuffix: "targetgroup/target/1" }),
  "aws:lb/listener:Listener": () => ({ arn: "arn:listener" }),
  "aws:ecs/cluster:Cluster": (name) => ({ arn: `arn:aws:ecs:us-east-1:1:cluster/${name}`, name }),
  "aws:ecs/taskDefinition:TaskDefinition": () => ({ arn: "arn:aws:ecs:us-east-1:1:task-definition/gateway:1" }),
  "aws:ecs/service:Service": (name) => ({ name }),
  "aws:autoscaling/policy:Policy": (name) => ({ arn: `arn:policy:${name}` }),
};

/** The components of a fleet, joined as the program joins them, on an image that is there already. */
export async function runFleet(plan: FleetPlan, options: RunOptions = {}) {
  return runAws(
    () => {
      const queue = new JobQueue("image-gen", { plan: plan.jobs });
      const store = new JobStore("image-gen", { plan: plan.jobs });
      const zones = ["us-east-1b", "us-east-1a", "us-east-1e"];
      const offered = ["us-east-1a", "us-east-1b"];
      const isExisting = plan.network.kind === "existing" && plan.network.hasGateway;
      const gatewaySubnets = isExisting ? { subnetIds: ["subnet-chosen"], publicAddresses: false } : null;
      const where = { region: plan.region, zones, offered, bucketArn: store.bucketArn, gatewaySubnets };
      const network = new FleetNetwork("image-gen", { plan: plan.network, ...where });
      const loadBalancer = createGatewayBalancer("image-gen", plan, network);
      const hosts = new FleetHosts("image-gen", {
        plan,
        deployment: plan.deployment,
        image: IMAGE,
        queue,
        store,
        network,
        balancer: loadBalancer?.dimensions ?? null,
        amiId: "ami-0123456789abcdef0",
        fixes: checkoutFixes(plan.stack),
      });
      const parts = { environment: {}, image: IMAGE, queue, store, network, hosts, loadBalancer };
      const gateway = createGateway("image-gen", { plan, ...parts });
      return { queue, store, network, hosts, gateway };
    },
    { outputs: ({ type, name }) => OUTPUTS[type]?.(name) ?? {}, ...options },
  );
}
