import type * as pulumi from "@pulumi/pulumi";
import { onceReady, type ServiceOutputs } from "../outputs.ts";
import type { Plan } from "../plan/plan.ts";

/** What a stack on this machine's Docker is made of. */
export interface LocalResources {
  readonly image: { readonly imageId: pulumi.Output<string>; readonly imageName: pulumi.Output<string> };
  readonly cache: { readonly volumeName: pulumi.Output<string> };
  readonly host: { readonly containerName: pulumi.Output<string> };
  readonly ready: pulumi.Output<void>;
}

/** What a stack on this machine's Docker exports besides. */
export interface LocalOutputs extends ServiceOutputs<"local"> {
  /** With its tag. */
  readonly imageName: pulumi.Output<string>;
  /** What the container runs: Docker's id of the image. */
  readonly imageId: pulumi.Output<string>;
  /** The Docker volume with the cache. */
  readonly volumeName: pulumi.Output<string>;
}

export function localOutputs(plan: Plan, { image, cache, host, ready }: LocalResources): LocalOutputs {
  return onceReady(ready, {
    url: plan.readiness.url,
    readyUrl: plan.readiness.readyUrl,
    target: plan.target,
    modelId: plan.modelId,
    modelCache: plan.modelCache,
    containerName: host.containerName,
    device: plan.readiness.device,
    imageName: image.imageName,
    imageId: image.imageId,
    volumeName: cache.volumeName,
  });
}
