import type { AwsSettings } from "../../config/aws/settings.ts";
import type { ModelCache } from "../../config/settings.ts";
import type { ModelSize } from "../manifest.ts";
import { sustainedThroughputMib } from "./instance-types.ts";

/** The disk that models are kept on. */
export interface DataVolumePlan {
  /** An existing volume to use as it is; the sizes below then do not count. */
  readonly existingVolumeId: string | null;
  readonly generation: number;
  readonly sizeGib: number;
  /** What the model takes of it; null: not known, or nothing. */
  readonly leastGib: number | null;
  readonly iops: number;
  /** MiB/s. */
  readonly throughputMib: number;
  readonly snapshotId: string | null;
  readonly initializationRateMib: number | null;
  readonly kmsKeyArn: string | null;
  readonly onDestroy: "retain" | "snapshot" | "delete";
  /** The zone that config names; null: wherever the volume is. */
  readonly zone: string | null;
  /** Whether the zone is asked for, by name or by a subnet: then a volume elsewhere is a mistake. */
  readonly zoneMatters: boolean;
}

/** Nightly snapshots of the volume. */
export interface SnapshotPlan {
  readonly region: string;
  readonly stack: string;
  /** How many are kept. */
  readonly keep: number;
  /** Where a failed one is reported; null: nowhere. */
  readonly alarmTopicArn: string | null;
  /** Of the lifecycle manager's role; null: none. */
  readonly permissionsBoundaryArn: string | null;
}

export function planSnapshots(settings: AwsSettings, stack: string): SnapshotPlan | null {
  if (settings.snapshots === "off") return null;
  return {
    region: settings.region,
    stack,
    keep: settings.snapshotRetentionDays,
    alarmTopicArn: settings.alarmTopicArn,
    permissionsBoundaryArn: settings.permissionsBoundaryArn,
  };
}

/**
 * GiB that hold the model and no more, with what a filesystem takes for itself; null where the model's size is not known, or
 * no model is kept there.
 */
function leastVolumeGib(modelCache: ModelCache, { bytes, source }: Omit<ModelSize, "loraBytes">): number | null {
  if (modelCache === "baked" || source === "assumed" || source === "directory") return null;
  return Math.ceil((1.05 * bytes) / GIB) + 1;
}

/** The name of the stack's own data volume, after the program's prefix; each generation is a volume of its own. */
export const dataVolumeName = (prefix: string, generation: number): string =>
  `${prefix}-data${generation === 1 ? "" : `-${generation}`}`;

/** The generation in such a name; null when it is another one. */
export function dataVolumeGeneration(name: string): number | null {
  const found = /-data(?:-(\d+))?$/.exec(name);
  return found ? Number(found[1] ?? 1) : null;
}

const LEAST_GIB = 50;
/** Room for what else is on the disk: parts of a download, damaged files set aside, backups. */
const SPARE_GIB = 20;
/** Models of the same size: the one served, the one before it, the one after it. */
const MODELS = 3;
/** gp3 has at most this many IOPS for each GiB. */
const IOPS_PER_GIB = 500;
const GIB = 2 ** 30;

export function planDataVolume(settings: AwsSettings, model: ModelSize, instanceType: string): DataVolumePlan {
  const needed = Math.ceil((MODELS * model.bytes + model.loraBytes) / GIB) + SPARE_GIB;
  // More IOPS than the base ask for a bigger disk.
  const forIops = settings.volumeIops > 3000 ? Math.ceil(settings.volumeIops / IOPS_PER_GIB) : 0;
  return {
    existingVolumeId: settings.volumeId,
    generation: settings.volumeGeneration,
    sizeGib: settings.volumeSizeGb ?? Math.max(LEAST_GIB, needed, forIops),
    leastGib: leastVolumeGib(settings.modelCache, model),
    iops: settings.volumeIops,
    throughputMib: settings.volumeThroughputMb ?? sustainedThroughputMib(instanceType, settings.volumeIops),
    snapshotId: settings.volumeSnapshotId,
    initializationRateMib: settings.volumeInitializationRate,
    kmsKeyArn: settings.kmsKeyArn,
    onDestroy: settings.onDestroy,
    zone: settings.availabilityZone,
    zoneMatters: settings.availabilityZone !== null || settings.subnetId !== null,
  };
}
