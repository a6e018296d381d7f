import type * as pulumi from "@pulumi/pulumi";
import { onceReady, type ServiceOutputs } from "../outputs.ts";
import type { Plan } from "../plan/plan.ts";

/** What a stack on this machine's Docker is made of. */
export interface LocalMade {
  readonly image: { readonly imageId: pulumi.Output<string>; readonly imageName: pulumi.Output<string> };
  readonly cache: { readonly volumeName: pulumi.Output<string> };
  readonly host: { readonly containerName: pulumi.Output<string> };
  readonly ready: pulumi.Output<void>;
}

export function localOutputs(plan: Plan, { image, cache, host, ready }: LocalMade): ServiceOutputs<"local"> {
  const whenReady = onceReady(ready);
  return {
    url: whenReady(plan.readiness.url),
    readyUrl: whenReady(plan.readiness.readyUrl),
    target: whenReady(plan.target),
    modelId: whenReady(plan.modelId),
    modelCache: whenReady(plan.modelCache),
    imageName: whenReady(image.imageName),
    imageId: whenReady(image.imageId),
    containerName: whenReady(host.containerName),
    volumeName: whenReady(cache.volumeName),
    device: whenReady(plan.readiness.device),
    modelSource: whenReady(plan.modelCache),
  };
}
