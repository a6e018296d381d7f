/**
 * Stage 7 and last, outputs. In: the plan and what the other stages made. Out: what the stack exports; the names are
 * contract. Computes nothing: what an output says was decided by the plan or reported by Docker.
 */
import * as pulumi from "@pulumi/pulumi";
import type { Plan } from "../plan/plan.ts";

/** The stack's outputs. They resolve once the service is ready. */
export interface StackOutputs {
  readonly url: pulumi.Output<string>;
  readonly readyUrl: pulumi.Output<string>;
  readonly target: pulumi.Output<"local">;
  readonly modelId: pulumi.Output<string>;
  readonly modelCache: pulumi.Output<"volume" | "baked">;
  readonly imageName: pulumi.Output<string>;
  readonly imageId: pulumi.Output<string>;
  readonly containerName: pulumi.Output<string>;
  readonly volumeName: pulumi.Output<string>;
  /** The device that the container was given; the gate warns when the service uses another. */
  readonly device: pulumi.Output<"cuda" | "cpu">;
  /** Where the model is kept. Where this start got it from is in `/readyz`, and changes with a restart. */
  readonly modelSource: pulumi.Output<"volume" | "baked">;
}

export interface Made {
  readonly image: { readonly imageId: pulumi.Output<string>; readonly imageName: pulumi.Output<string> };
  readonly cache: { readonly volumeName: pulumi.Output<string> };
  readonly host: { readonly containerName: pulumi.Output<string> };
  readonly ready: pulumi.Output<void>;
}

export function stackOutputs(plan: Plan, { image, cache, host, ready }: Made): StackOutputs {
  const whenReady = <T>(value: pulumi.Input<T>) =>
    pulumi.all([value, ready]).apply(([known]) => known) as pulumi.Output<T>;
  return {
    url: whenReady(plan.health.url),
    readyUrl: whenReady(plan.health.readyUrl),
    target: whenReady(plan.target),
    modelId: whenReady(plan.modelId),
    modelCache: whenReady(plan.modelCache),
    imageName: whenReady(image.imageName),
    imageId: whenReady(image.imageId),
    containerName: whenReady(host.containerName),
    volumeName: whenReady(cache.volumeName),
    device: whenReady(plan.health.device),
    modelSource: whenReady(plan.modelCache),
  };
}
