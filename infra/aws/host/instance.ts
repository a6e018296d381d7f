import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import type { AwsHostPlan } from "../../plan/aws/host.ts";

/** The inputs of a host, for an instance and for a group alike. */
export interface HostInputs {
  readonly plan: AwsHostPlan;
  readonly instanceType: pulumi.Input<string>;
  readonly imageId: pulumi.Input<string>;
  readonly subnetId: pulumi.Input<string>;
  readonly securityGroupId: pulumi.Input<string>;
  readonly profile: aws.iam.InstanceProfile;
  /** Base64 of what cloud-init reads. */
  readonly userData: pulumi.Input<string>;
  readonly volumeId: pulumi.Input<string>;
  readonly dependsOn: readonly pulumi.Resource[];
  /** Called when the launch fails: the provider itself would retry for most of an hour. */
  readonly onLaunchError?: pulumi.ErrorHook | undefined;
  readonly parent: pulumi.Resource;
}

/** A token to the metadata service takes one hop: no container's reaches it. */
export const METADATA_OPTIONS = {
  httpEndpoint: "enabled",
  httpTokens: "required",
  httpPutResponseHopLimit: 1,
  instanceMetadataTags: "disabled",
} as const;

/** A hint to the host, which finds the disk by the volume's id. */
const DEVICE_NAME = "/dev/sdf";

/**
 * One instance, and the attachment of the data volume. A change of the host replaces it, so that its capacity is secured
 * before the old one stops (`create-first`), or after it is given back (`delete-first`).
 */
export function createInstance(name: string, parts: HostInputs): aws.ec2.Instance {
  const { plan, parent, onLaunchError } = parts;
  const instance = new aws.ec2.Instance(`${name}-instance`, instanceArgs(parts), {
    parent,
    dependsOn: [...parts.dependsOn],
    deleteBeforeReplace: !plan.createFirst,
    // A newer image replaces no host by itself; a pinned one does when the pin changes.
    ignoreChanges: plan.amiId === null ? ["ami"] : [],
    // The provider would stop the host and change it in place, without knowing whether it can start again.
    replaceOnChanges: ["instanceType", "rootBlockDevice.volumeSize"],
    customTimeouts: { create: "10m" },
    ...(onLaunchError ? { hooks: { onError: [onLaunchError] } } : {}),
  });
  new aws.ec2.VolumeAttachment(
    `${name}-attachment`,
    {
      deviceName: DEVICE_NAME,
      instanceId: instance.id,
      volumeId: parts.volumeId,
      // It works only if it was there when the attachment was made: so always.
      stopInstanceBeforeDetaching: true,
    },
    // Else the new attachment is tried while the old host still has the disk, and fails every time.
    { parent, deleteBeforeReplace: true },
  );
  return instance;
}

function instanceArgs(parts: HostInputs): aws.ec2.InstanceArgs {
  const { plan } = parts;
  return {
    ami: parts.imageId,
    instanceType: parts.instanceType,
    subnetId: parts.subnetId,
    vpcSecurityGroupIds: [parts.securityGroupId],
    iamInstanceProfile: parts.profile.name,
    userDataBase64: parts.userData,
    userDataReplaceOnChange: true,
    metadataOptions: METADATA_OPTIONS,
    rootBlockDevice: {
      volumeType: "gp3",
      volumeSize: plan.root.sizeGib,
      iops: plan.root.iops,
      throughput: plan.root.throughputMib,
      encrypted: true,
      deleteOnTermination: true,
      ...(plan.kmsKeyArn === null ? {} : { kmsKeyId: plan.kmsKeyArn }),
    },
    // An idle host switches itself off: that must not be its end.
    instanceInitiatedShutdownBehavior: "stop",
    // A one-time spot instance can't be stopped, and so could never be parted from the volume in order.
    ...(plan.purchaseOption === "spot"
      ? {
          instanceMarketOptions: {
            marketType: "spot",
            spotOptions: { spotInstanceType: "persistent", instanceInterruptionBehavior: "stop" },
          },
        }
      : {}),
    tags: { Name: `image-gen-${plan.stack}` },
  };
}
