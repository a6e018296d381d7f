/**
 * Stage 4 on AWS, cache. In: the volume's plan and the zone for a new one. Out: the volume that models are kept on, and
 * the zone that it is in, which everything else follows. No change of config deletes or replaces it by accident.
 */

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { volumeTag } from "../../contract.ts";
import { UserError } from "../../errors.ts";
import type { Fixes } from "../../fixes.ts";
import { type DataVolumePlan, dataVolumeName } from "../../plan/aws/volume.ts";
import { otherZoneProblem } from "../../plan/aws/zone.ts";

export interface DataVolumeArgs {
  readonly plan: DataVolumePlan;
  /** The zone of a new volume. An existing one stays where it is. */
  readonly zone: pulumi.Input<string>;
  readonly stack: string;
  readonly fixes: Fixes;
  /** Called before a volume is made, also in a preview. */
  readonly beforeCreate?: pulumi.ResourceHook | undefined;
}

/** Inputs whose change would replace the volume: they count only when it is made. */
const FIXED = ["availabilityZone", "encrypted", "kmsKeyId", "snapshotId", "volumeInitializationRate", "outpostArn"];

/**
 * An encrypted gp3 volume; size, IOPS and throughput change in place. `retain` protects it and leaves it to AWS when
 * the stack goes, `snapshot` keeps a last snapshot instead. An existing volume is read, tagged, and never managed.
 */
export class DataVolume extends pulumi.ComponentResource {
  readonly volumeId: pulumi.Output<string>;
  readonly volumeArn: pulumi.Output<string>;
  /** The zone that the data is in. */
  readonly availabilityZone: pulumi.Output<string>;

  constructor(name: string, args: DataVolumeArgs, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:cache:DataVolume", name, {}, opts);

    const volume =
      args.plan.existingVolumeId === null
        ? createVolume(name, args, this)
        : importVolume(name, args, args.plan.existingVolumeId, this);

    this.volumeId = volume.id;
    this.volumeArn = volume.arn;
    // A preview has the zone of a new volume, and not its id.
    const requireSame = ([zone, wanted]: [string, string]) =>
      zone === wanted ? pulumi.output(zone) : volume.id.apply((id) => requireSameZone(zone, wanted, id, args.fixes));
    this.availabilityZone = args.plan.zoneMatters
      ? pulumi.all([volume.availabilityZone, args.zone]).apply(requireSame)
      : volume.availabilityZone;
    this.registerOutputs({ volumeId: this.volumeId, availabilityZone: this.availabilityZone });
  }
}

function createVolume(
  name: string,
  { plan, zone, stack, beforeCreate }: DataVolumeArgs,
  parent: pulumi.Resource,
): aws.ebs.Volume {
  const retain = plan.onDestroy === "retain";
  return new aws.ebs.Volume(
    dataVolumeName(name, plan.generation),
    {
      availabilityZone: zone,
      type: "gp3",
      size: plan.sizeGib,
      iops: plan.iops,
      throughput: plan.throughputMib,
      encrypted: true,
      // A retained volume's deletion never reaches the provider, and so no last snapshot either.
      ...(plan.onDestroy === "snapshot" ? { finalSnapshot: true } : {}),
      ...(plan.kmsKeyArn === null ? {} : { kmsKeyId: plan.kmsKeyArn }),
      ...(plan.snapshotId === null ? {} : { snapshotId: plan.snapshotId }),
      ...(plan.initializationRateMib === null ? {} : { volumeInitializationRate: plan.initializationRateMib }),
      tags: { Name: `image-gen-data-${stack}`, ...volumeTag(stack) },
    },
    {
      parent,
      protect: retain,
      retainOnDelete: retain,
      ignoreChanges: FIXED,
      ...(beforeCreate ? { hooks: { beforeCreate: [beforeCreate] } } : {}),
    },
  );
}

function importVolume(name: string, { stack }: DataVolumeArgs, id: string, parent: pulumi.Resource): aws.ebs.Volume {
  const volume = aws.ebs.Volume.get(`${name}-data-adopted`, id, undefined, { parent });
  for (const [key, value] of Object.entries(volumeTag(stack))) {
    new aws.ec2.Tag(`${name}-data-adopted-tag`, { resourceId: id, key, value }, { parent });
  }
  return volume;
}

/** A volume can't move to another zone: the zone of config must be the volume's. Returns it; throws `UserError`. */
export function requireSameZone(zone: string, wanted: string, volumeId: string, fixes: Fixes): string {
  if (zone === wanted) return zone;
  throw new UserError(fixes.problem(otherZoneProblem(fixes.host.move, { zone, wanted, volumeId })));
}
