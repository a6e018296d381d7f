/**
 * Stage 7 and last, outputs. In: the plan and what the other stages made. Out: what the stack exports; the names are
 * contract. Computes nothing.
 */
import type * as pulumi from "@pulumi/pulumi";

/** What every stack exports. The outputs resolve once the service is ready. */
export interface ServiceOutputs<Target extends "local" | "aws"> {
  /** Where the service is; on AWS its load balancer, or the near end of `imagegen open`'s tunnel. */
  readonly url: pulumi.Output<string>;
  /** Answers 200 once the service is ready. */
  readonly readyUrl: pulumi.Output<string>;
  /** `local` or `aws`. */
  readonly target: pulumi.Output<Target>;
  /** The model, as it is configured. */
  readonly modelId: pulumi.Output<string>;
  /** Where the model is kept. Where this start got it from is in `/readyz`, and changes with a restart. */
  readonly modelCache: pulumi.Output<"volume" | "baked">;
  /** On this machine, or on the host. */
  readonly containerName: pulumi.Output<string>;
  /** The device that the container was given; the gate warns when the service uses another. */
  readonly device: pulumi.Output<"cuda" | "cpu">;
}

/** The outputs, held back until the service is ready. */
export function onceReady<Values extends Readonly<Record<string, unknown>>>(
  ready: pulumi.Output<void>,
  values: Values,
): { readonly [Name in keyof Values]: pulumi.Output<pulumi.Unwrap<Values[Name]>> } {
  const held = Object.entries(values).map(([name, value]) => [name, ready.apply(() => value)]);
  return Object.fromEntries(held) as { [Name in keyof Values]: pulumi.Output<pulumi.Unwrap<Values[Name]>> };
}
