import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import { stackTags } from "../../contract.ts";
import { type HostInputs, METADATA_OPTIONS } from "./instance.ts";

export interface AutoScalingGroupInputs extends HostInputs {
  readonly targetGroupArns: readonly pulumi.Input<string>[];
}

/**
 * A group of one: a lost host is replaced by one of any available type of the list, which attaches the volume itself. A
 * change terminates the old host first: two can't attach one volume.
 */
export function createAutoScalingGroup(name: string, parts: AutoScalingGroupInputs): aws.autoscaling.Group {
  const { plan, parent, onLaunchError } = parts;
  const template = createLaunchTemplate(name, parts);
  return new aws.autoscaling.Group(
    `${name}-group`,
    {
      minSize: 1,
      maxSize: 1,
      desiredCapacity: 1,
      vpcZoneIdentifiers: [parts.subnetId],
      healthCheckType: "EC2",
      healthCheckGracePeriod: 900,
      waitForCapacityTimeout: "10m",
      targetGroupArns: [...parts.targetGroupArns],
      mixedInstancesPolicy: {
        instancesDistribution: {
          onDemandBaseCapacity: 0,
          onDemandPercentageAboveBaseCapacity: plan.purchaseOption === "spot" ? 0 : 100,
          onDemandAllocationStrategy: "prioritized",
          spotAllocationStrategy: "capacity-optimized-prioritized",
        },
        launchTemplate: {
          launchTemplateSpecification: {
            launchTemplateId: template.id,
            version: template.latestVersion.apply((version) => String(version)),
          },
          overrides: plan.instanceTypes.map((instanceType) => ({ instanceType })),
        },
      },
      instanceMaintenancePolicy: { minHealthyPercentage: 0, maxHealthyPercentage: 100 },
      instanceRefresh: { strategy: "Rolling", preferences: { minHealthyPercentage: 0, instanceWarmup: "60" } },
      // The provider's default tags do not reach what a group starts.
      tags: Object.entries(hostTags(plan.stack)).map(([key, value]) => ({ key, value, propagateAtLaunch: true })),
    },
    {
      parent,
      dependsOn: [...parts.dependsOn],
      customTimeouts: { create: "15m" },
      ...(onLaunchError ? { hooks: { onError: [onLaunchError] } } : {}),
    },
  );
}

export const hostTags = (stack: string) => ({ Name: `image-gen-${stack}`, ...stackTags(stack) });

/** What a template says of each host that is started by it. */
export type TemplateInputs = Pick<
  HostInputs,
  "plan" | "imageId" | "instanceType" | "securityGroupId" | "profile" | "userData" | "parent"
> & {
  /** Absent: a host that switches itself off stays, stopped. */
  readonly endsWhenOff?: boolean;
  /** Whether a host can read its tags: the name of its group is one. */
  readonly readsTags?: boolean;
};

export function createLaunchTemplate(name: string, { plan, ...parts }: TemplateInputs): aws.ec2.LaunchTemplate {
  return new aws.ec2.LaunchTemplate(
    `${name}-template`,
    {
      imageId: parts.imageId,
      instanceType: parts.instanceType,
      vpcSecurityGroupIds: [parts.securityGroupId],
      iamInstanceProfile: { arn: parts.profile.arn },
      userData: parts.userData,
      metadataOptions: parts.readsTags ? { ...METADATA_OPTIONS, instanceMetadataTags: "enabled" } : METADATA_OPTIONS,
      blockDeviceMappings: [
        {
          deviceName: plan.root.deviceName,
          ebs: {
            volumeType: "gp3",
            volumeSize: plan.root.sizeGib,
            iops: plan.root.iops,
            throughput: plan.root.throughputMib,
            encrypted: "true",
            deleteOnTermination: "true",
            ...(plan.kmsKeyArn === null ? {} : { kmsKeyId: plan.kmsKeyArn }),
          },
        },
      ],
      tagSpecifications: [{ resourceType: "volume", tags: hostTags(plan.stack) }],
      ...(parts.endsWhenOff ? { instanceInitiatedShutdownBehavior: "terminate" } : {}),
    },
    { parent: parts.parent, ignoreChanges: plan.amiId === null ? ["imageId"] : [] },
  );
}
