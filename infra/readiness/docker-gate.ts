import type * as pulumi from "@pulumi/pulumi";
import { UserError } from "../errors.ts";
import type { Fixes } from "../fixes.ts";
import type { ReadinessPlan } from "../plan/readiness.ts";
import { warnOfDevice, withLog } from "./gate.ts";
import { type ReadinessDeps, waitUntilReady } from "./poller.ts";
import type { Failure, ReadyState } from "./probe-result.ts";
import { describeNotReady } from "./progress.ts";

export interface CheckArgs {
  readonly plan: ReadinessPlan;
  readonly fixes: Fixes;
  readonly containerName: string;
  readonly deps: ReadinessDeps;
  /** The container's state and the end of its log, as lines; empty when that can't be found out. */
  readonly containerReport: (containerName: string) => Promise<readonly string[]>;
}

export interface GateArgs extends CheckArgs {
  /** The container as it is now; the gate asks only once it is there. */
  readonly containerId: pulumi.Output<string>;
  /** In a preview there is nothing to ask. */
  readonly preview: boolean;
}

/**
 * Runs on every update, changed or not: a container that is in the state and fails is a failed update, however often.
 * Resolves when the service is ready, to what it says of itself; else fails the update with one `UserError`.
 */
export function readyGate({ containerId, preview, ...check }: GateArgs): pulumi.Output<ReadyState | null> {
  return containerId.apply(async () => (preview ? null : checkReady(check)));
}

/** Waits for a ready service and returns its state; throws `UserError` with the reason when there will be none. */
export async function checkReady(args: CheckArgs): Promise<ReadyState> {
  const outcome = await waitUntilReady(args.plan, args.deps);
  if (!outcome.ready) throw new UserError(await explain(args, outcome));
  await warnOfDevice(args.plan, outcome);
  return outcome.state;
}

/** One line, and the end of the container's log when the service itself does not answer. */
async function explain(args: CheckArgs, outcome: Failure): Promise<string> {
  const { fixes, containerName, plan } = args;
  const headline = `${containerName} is not ready at ${plan.url}: ${describeNotReady(outcome, fixes.setByAny)}`;
  if (outcome.code !== "NO_RESPONSE") return `${headline}. Its log: docker logs ${containerName}`;
  const report = await args.containerReport(containerName);
  // No container to ask: it was removed behind Pulumi's back, and only a refresh tells Pulumi.
  if (report.length === 0)
    return `${headline}. Fix: pulumi up --refresh; the log, if it is there: docker logs ${containerName}`;
  return withLog(headline, report);
}
