/**
 * Stage 7 and last, outputs. In: the plan and what the other stages made. Out: what the stack exports; the names are
 * contract. Computes nothing: what an output says was decided by the plan or reported by the engine's providers.
 */
import * as pulumi from "@pulumi/pulumi";

/** What every stack exports. The outputs resolve once the service is ready. */
export interface ServiceOutputs<Target extends "local" | "aws"> {
  /** Where the service is; on AWS behind the load balancer, or at the near end of `imagegen open`'s tunnel. */
  readonly url: pulumi.Output<string>;
  readonly readyUrl: pulumi.Output<string>;
  readonly target: pulumi.Output<Target>;
  readonly modelId: pulumi.Output<string>;
  readonly modelCache: pulumi.Output<"volume" | "baked">;
  readonly imageName: pulumi.Output<string>;
  /** Docker's own id; on AWS repository and digest. */
  readonly imageId: pulumi.Output<string>;
  readonly containerName: pulumi.Output<string>;
  readonly volumeName: pulumi.Output<string>;
  /** The device that the container was given; the gate warns when the service uses another. */
  readonly device: pulumi.Output<"cuda" | "cpu">;
  /** Where the model is kept. Where this start got it from is in `/readyz`, and changes with a restart. */
  readonly modelSource: pulumi.Output<"volume" | "baked">;
}

/** Holds a value back until the service is ready. */
export function onceReady(ready: pulumi.Output<void>): <T>(value: pulumi.Input<T>) => pulumi.Output<T> {
  return <T>(value: pulumi.Input<T>) => pulumi.all([value, ready]).apply(([known]) => known) as pulumi.Output<T>;
}
