import type { AwsSettings } from "../../../../infra/config/aws/settings.ts";
import { planAwsHost } from "../../../../infra/plan/aws/host.ts";
import { imageBytes } from "../../../../infra/plan/aws/startup.ts";
import { gpuMemoryNeededMib, type Manifest, modelSize } from "../../../../infra/plan/manifest.ts";
import type { LaunchPreferences } from "./launch-candidates.ts";

/** Of a stack's settings and its plan, what decides on a host. */
export interface HostRequirements extends LaunchPreferences {
  /** Where the host must be: the volume's zone, or the one that config names for a first one. */
  readonly availabilityZone: string | null;
  readonly replacement: "create-first" | "delete-first";
  readonly ami: string;
  readonly amiId: string | null;
  readonly access: "ssm" | "alb";
  /** MiB/s that the data volume is planned with. */
  readonly volumeThroughputMb: number;
  /** GPU memory in MiB that the model needs; 0: a model for any GPU. */
  readonly gpuMemoryMib: number;
  /** GiB of the root disk, and those that the image needs of it. */
  readonly rootSizeGb: number;
  readonly rootNeededGb: number;
}

/** `zone`: where the stack's volume is, once there is one. */
export function hostRequirements(
  settings: AwsSettings,
  { stack, manifest, zone }: { stack: string; manifest: Manifest | null; zone: string | null },
): HostRequirements {
  const size = modelSize(settings, manifest);
  const bytes = imageBytes(settings.modelCache, size);
  const rootOf = (rootSizeGb: number | null) => planAwsHost({ ...settings, rootSizeGb }, stack, bytes).root.sizeGib;
  return {
    ...settings,
    availabilityZone: zone ?? settings.availabilityZone,
    gpuMemoryMib: gpuMemoryNeededMib(size, manifest),
    rootSizeGb: rootOf(settings.rootSizeGb),
    rootNeededGb: rootOf(null),
  };
}
