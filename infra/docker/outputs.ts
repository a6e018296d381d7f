import type * as pulumi from "@pulumi/pulumi";
import { type OutputGate, onceReady, type ServiceOutputs, served } from "../outputs.ts";
import type { Plan } from "../plan/plan.ts";

/** What a stack on this machine's Docker is made of. */
export interface LocalResources extends OutputGate {
  readonly image: { readonly imageId: pulumi.Output<string>; readonly imageName: pulumi.Output<string> };
  readonly cache: { readonly volumeName: pulumi.Output<string> };
  readonly host: { readonly containerName: pulumi.Output<string> };
}

/** What a stack on this machine's Docker exports besides. */
export interface LocalOutputs extends ServiceOutputs<"local"> {
  /** With the tag of its content; the container refers to it by `imageId`. */
  readonly imageName: pulumi.Output<string>;
  /** What the container runs: Docker's id of the image. */
  readonly imageId: pulumi.Output<string>;
  /** The Docker volume with the cache. */
  readonly volumeName: pulumi.Output<string>;
}

export function localOutputs(plan: Plan, { image, cache, host, ...gate }: LocalResources): LocalOutputs {
  const { modelCache, device } = served(gate, { modelCache: plan.modelCache, device: plan.readiness.device });
  return onceReady(gate, {
    url: plan.readiness.url,
    readyUrl: plan.readiness.readyUrl,
    target: plan.target,
    modelId: plan.modelId,
    modelCache,
    containerName: host.containerName,
    device,
    imageName: image.imageName,
    imageId: image.imageId,
    volumeName: cache.volumeName,
  });
}
