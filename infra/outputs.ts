/**
 * Stage 7 and last, outputs. In: the plan and what the other stages made. Out: what the stack exports; the names are
 * contract. Computes nothing.
 */
import * as pulumi from "@pulumi/pulumi";
import type { ReadyState } from "./readiness/probe-result.ts";

/** What every stack exports. In an update they resolve once the service is ready; a preview has those that are known. */
export interface ServiceOutputs<Target extends "local" | "aws"> {
  /** Where the service is; on AWS its load balancer, or the near end of `imagegen open`'s tunnel. */
  readonly url: pulumi.Output<string>;
  /** Answers 200 once the service is ready. */
  readonly readyUrl: pulumi.Output<string>;
  /** `local` or `aws`. */
  readonly target: pulumi.Output<Target>;
  /** The model, as it is configured; the gate fails when the service has another. */
  readonly modelId: pulumi.Output<string>;
  /** Where the service reads its model: `baked` only when it says so, whatever the config asked for. */
  readonly modelCache: pulumi.Output<"volume" | "baked">;
  /** On this machine, or on the host. */
  readonly containerName: pulumi.Output<string>;
  /** The device that the service uses; the gate warns when the container was given another. */
  readonly device: pulumi.Output<"cuda" | "cpu">;
}

/** How an update's outputs come about. */
export interface OutputGate {
  /** What the service says of itself once it is ready; null in a preview. */
  readonly ready: pulumi.Output<ReadyState | null>;
  readonly preview: boolean;
}

/** The outputs: held back until the service is ready; in a preview, as far as they are known. */
export function onceReady<Values extends Readonly<Record<string, unknown>>>(
  { ready, preview }: OutputGate,
  values: Values,
): { readonly [Name in keyof Values]: pulumi.Output<pulumi.Unwrap<Values[Name]>> } {
  const held = Object.entries(values).map(([name, value]) => [
    name,
    preview ? pulumi.output(value) : ready.apply(() => value),
  ]);
  return Object.fromEntries(held) as { [Name in keyof Values]: pulumi.Output<pulumi.Unwrap<Values[Name]>> };
}

interface Served {
  readonly modelCache: "volume" | "baked";
  readonly device: "cuda" | "cpu";
}

/** What is, as the service says it; in a preview, and where it says nothing, what was planned. */
export function served(
  { ready, preview }: OutputGate,
  planned: Served,
): { [K in keyof Served]: pulumi.Output<Served[K]> } {
  const facts = preview ? pulumi.output(null) : ready;
  return {
    modelCache: facts.apply((state) => placeOf(state?.source) ?? planned.modelCache),
    device: facts.apply((state) => deviceOf(state?.device) ?? planned.device),
  };
}

function placeOf(source: string | null | undefined): Served["modelCache"] | undefined {
  if (source === "baked") return "baked";
  return source === "volume" || source === "download" ? "volume" : undefined;
}

function deviceOf(device: string | null | undefined): Served["device"] | undefined {
  if (!device) return undefined;
  return device.startsWith("cuda") ? "cuda" : "cpu";
}
