import * as pulumi from "@pulumi/pulumi";
import { UserError } from "../errors.ts";
import type { Fixes } from "../fixes.ts";
import type { AwsReadinessPlan } from "../plan/aws/readiness.ts";
import { warnOfDevice, withLog } from "./gate.ts";
import { type ExpectedHost, type HostDeps, waitForHost } from "./host-status.ts";
import type { ReadyState } from "./probe-result.ts";
import { describeNotReady } from "./progress.ts";

export interface HostGateArgs {
  readonly plan: AwsReadinessPlan;
  readonly host: {
    readonly deploymentId: pulumi.Output<string>;
    readonly instanceId: pulumi.Output<string | null>;
  };
  /** In a preview there is nothing to ask. */
  readonly preview: boolean;
  readonly deps: HostDeps;
  readonly fixes: Fixes;
}

/**
 * Runs on every update, changed or not, by reading the status that the host writes: no inbound access is needed.
 * Resolves when the host serves this deployment, to what its service says of itself; else fails the update with one
 * `UserError`.
 */
export function hostGate({ plan, host, preview, deps, fixes }: HostGateArgs): pulumi.Output<ReadyState | null> {
  return pulumi
    .all([host.deploymentId, host.instanceId])
    .apply(async ([deployment, instance]) => (preview ? null : checkHost(plan, { deployment, instance }, deps, fixes)));
}

/** Waits for a ready host; throws `UserError` with the reason, and the end of its log, when there will be none. */
export async function checkHost(
  plan: AwsReadinessPlan,
  expected: ExpectedHost,
  deps: HostDeps,
  fixes: Fixes,
): Promise<ReadyState> {
  const { outcome, log } = await waitForHost(plan, expected, deps);
  if (outcome.ready) {
    await warnOfDevice(plan, outcome);
    return outcome.state;
  }
  const who = expected.instance ?? "the host";
  const headline = `${who} is not ready: ${describeNotReady(outcome, fixes.setByAny)}. Fix: ${fixes.host.examine}`;
  throw new UserError(withLog(headline, log));
}
