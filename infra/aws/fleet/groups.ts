import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import type { FleetHostsPlan } from "../../plan/fleet/hosts.ts";
import { type FleetGroup, GROUP_METRICS } from "../../plan/fleet/scaling.ts";
import { hostTags } from "../host/auto-scaling-group.ts";

export interface GroupsArgs {
  readonly plan: FleetHostsPlan;
  readonly template: aws.ec2.LaunchTemplate;
  readonly subnetIds: readonly pulumi.Input<string>[];
  readonly dependsOn: readonly pulumi.Resource[];
  readonly parent: pulumi.Resource;
}

/** Of spot hosts, and, where on-demand hosts are allowed, of these. */
export type Groups = { readonly spot: aws.autoscaling.Group } & Partial<Record<FleetGroup, aws.autoscaling.Group>>;

export function createGroups(name: string, args: GroupsArgs): Groups {
  const { minHosts, maxHosts, rescueHosts } = args.plan;
  const spot = createGroup(`${name}-spot`, args, {
    minSize: minHosts,
    maxSize: maxHosts,
    // A host that is about to be taken back is replaced before it goes.
    capacityRebalance: true,
    mixedInstancesPolicy: mixed(args, {
      onDemandPercentageAboveBaseCapacity: 0,
      spotAllocationStrategy: "price-capacity-optimized",
    }),
  });
  if (rescueHosts === 0) return { spot };
  const rescue = createGroup(`${name}-rescue`, args, {
    minSize: 0,
    maxSize: rescueHosts,
    mixedInstancesPolicy: mixed(args, {
      onDemandPercentageAboveBaseCapacity: 100,
      onDemandAllocationStrategy: "prioritized",
    }),
  });
  return { spot, rescue };
}

function mixed(
  { plan, template }: GroupsArgs,
  market: aws.types.input.autoscaling.GroupMixedInstancesPolicyInstancesDistribution,
): aws.types.input.autoscaling.GroupMixedInstancesPolicy {
  return {
    instancesDistribution: { onDemandBaseCapacity: 0, ...market },
    launchTemplate: {
      launchTemplateSpecification: {
        launchTemplateId: template.id,
        version: template.latestVersion.apply((version) => String(version)),
      },
      overrides: plan.host.instanceTypes.map((instanceType) => ({ instanceType })),
    },
  };
}

/** Minutes in which a new host may do nothing yet, and is not replaced for it. */
const GRACE_SECONDS = 900;

function createGroup(
  name: string,
  { plan, subnetIds, dependsOn, parent }: GroupsArgs,
  own: Pick<aws.autoscaling.GroupArgs, "minSize" | "maxSize" | "capacityRebalance" | "mixedInstancesPolicy">,
): aws.autoscaling.Group {
  return new aws.autoscaling.Group(
    name,
    {
      ...own,
      // How many there are now is the policies' to say: the program names no desired count.
      vpcZoneIdentifiers: [...subnetIds],
      healthCheckType: "EC2",
      healthCheckGracePeriod: GRACE_SECONDS,
      defaultInstanceWarmup: plan.warmUpSeconds,
      enabledMetrics: [...GROUP_METRICS],
      metricsGranularity: "1Minute",
      // Workers of a queue need no balance between zones, for which a host that works would be ended.
      suspendedProcesses: ["AZRebalance"],
      // Hosts may come late, or not at all: an update does not wait for them.
      waitForCapacityTimeout: "0",
      // Another image or setting is another template: hosts are replaced by half of them at a time, and hand back what they make.
      instanceRefresh: {
        strategy: "Rolling",
        preferences: {
          minHealthyPercentage: 50,
          instanceWarmup: String(plan.warmUpSeconds),
          // The provider's default, `Ignore`, leaves the hosts that have jobs as they are; `Wait` fails after an hour with jobs.
          scaleInProtectedInstances: "Refresh",
        },
      },
      // The provider's default tags do not reach what a group starts.
      tags: Object.entries(hostTags(plan.host.stack)).map(([key, value]) => ({ key, value, propagateAtLaunch: true })),
    },
    // A group that was stopped by its processes stays so, whatever an update changes.
    { parent, dependsOn: [...dependsOn], ignoreChanges: ["suspendedProcesses"] },
  );
}
