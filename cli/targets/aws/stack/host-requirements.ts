import type { AwsSettings } from "../../../../infra/config/aws/settings.ts";
import { planAwsHost } from "../../../../infra/plan/aws/host.ts";
import { imageBytes } from "../../../../infra/plan/aws/startup.ts";
import { planDataVolume } from "../../../../infra/plan/aws/volume.ts";
import { gpuMemoryNeededMib, type Manifest, modelSize } from "../../../../infra/plan/manifest.ts";
import type { LaunchPreferences } from "./launch-candidates.ts";

/** What a stack's settings and plan require of its host. */
export interface HostRequirements
  extends LaunchPreferences,
    Pick<AwsSettings, "replacement" | "ami" | "amiId" | "access"> {
  /** MiB/s of the data volume. */
  readonly volumeThroughputMb: number;
  /** GPU memory in MiB that the model needs; 0: a model for any GPU. */
  readonly gpuMemoryMib: number;
  /** GiB of the root disk, and those that the image needs of it. */
  readonly rootSizeGb: number;
  readonly rootNeededGb: number;
}

export function hostRequirements(
  settings: AwsSettings,
  { stack, manifest }: { stack: string; manifest: Manifest | null },
): HostRequirements {
  const size = modelSize(settings, manifest);
  const bytes = imageBytes(settings.modelCache, size);
  const rootOf = (rootSizeGb: number | null) => planAwsHost({ ...settings, rootSizeGb }, stack, bytes).root.sizeGib;
  const { instanceType } = planAwsHost(settings, stack, bytes);
  return {
    ...settings,
    volumeThroughputMb: planDataVolume(settings, size, instanceType).throughputMib,
    gpuMemoryMib: gpuMemoryNeededMib(size, manifest),
    rootSizeGb: rootOf(settings.rootSizeGb),
    rootNeededGb: rootOf(null),
  };
}
