/**
 * Stage 6, health. In: the health plan, and an address that something may answer on. Out: success only when the model
 * that was asked for is on its device and has made a picture, or one line that says why not. Never trusts a past success.
 */
import * as pulumi from "@pulumi/pulumi";
import { UserError } from "../errors.ts";
import type { HealthPlan } from "../plan/readiness.ts";
import type { Outcome } from "./outcome.ts";
import { type World, waitUntilReady } from "./poller.ts";

export interface CheckArgs {
  readonly plan: HealthPlan;
  readonly containerName: string;
  readonly world: World;
  /** What the container said and how it fares, as lines; empty when that can't be found out. */
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
 * Resolves when the service is ready; else fails the update with one `UserError`.
 */
export function readyGate({ containerId, preview, ...check }: GateArgs): pulumi.Output<void> {
  return containerId.apply(async () => {
    if (!preview) await checkReady(check);
  });
}

/** Waits for a ready service; throws `UserError` with the reason when there will be none. */
export async function checkReady(args: CheckArgs): Promise<void> {
  const outcome = await waitUntilReady(args.plan, args.world);
  if (!outcome.ready) throw new UserError(await explain(args, outcome));
  const { device } = outcome.state;
  if (device !== null && !device.startsWith(args.plan.device)) {
    await pulumi.log.warn(`planned for ${args.plan.device}, but the service runs on ${device}`);
  }
}

/** One line, and what the container said when the service itself could not. */
async function explain(args: CheckArgs, outcome: Outcome & { ready: false }): Promise<string> {
  const { containerName, plan } = args;
  const headline = `${containerName} is not ready at ${plan.url}: ${outcome.reason}`;
  if (!outcome.silent) return `${headline}. Its log: docker logs ${containerName}`;
  const report = await args.containerReport(containerName);
  if (report.length === 0) return `${headline}. Fix: see what it says with docker logs ${containerName}`;
  return [`${headline}. Its last words:`, ...report.map((line) => `  ${line}`)].join("\n");
}
