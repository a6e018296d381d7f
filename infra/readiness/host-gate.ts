import * as pulumi from "@pulumi/pulumi";
import { UserError } from "../errors.ts";
import type { AwsHealthPlan } from "../plan/aws/readiness.ts";
import { type Expected, HostWitness, type ParameterAnswer } from "./host-status-reader.ts";
import { waitUntilReady } from "./poller.ts";

/** The outside world, as far as a gate on AWS needs it. Times in seconds, the date in milliseconds. */
export interface HostWorld {
  readonly readParameter: (name: string) => Promise<ParameterAnswer>;
  readonly now: () => number;
  readonly date: () => number;
  readonly sleep: (seconds: number) => Promise<void>;
  readonly report: (line: string) => void;
}

export interface HostGateArgs {
  readonly plan: AwsHealthPlan;
  readonly host: {
    readonly deploymentId: pulumi.Output<string>;
    readonly instanceId: pulumi.Output<string | null>;
  };
  /** In a preview there is nothing to ask. */
  readonly preview: boolean;
  readonly world: HostWorld;
}

/**
 * Runs on every update, changed or not, by reading the record that the host writes: so nothing has to come in.
 * Resolves when the host serves this deployment; else fails the update with one `UserError`.
 */
export function hostGate({ plan, host, preview, world }: HostGateArgs): pulumi.Output<void> {
  return pulumi.all([host.deploymentId, host.instanceId]).apply(async ([deployment, instance]) => {
    if (!preview) await checkHost(plan, { deployment, instance }, world);
  });
}

/** Waits for a ready host; throws `UserError` with the reason, and the end of its log, when there will be none. */
export async function checkHost(plan: AwsHealthPlan, expected: Expected, world: HostWorld): Promise<void> {
  const witness = new HostWitness(expected, plan, world);
  const outcome = await waitUntilReady(plan, {
    ...world,
    ask: async () => witness.hear(await world.readParameter(plan.parameter)),
  });
  const who = expected.instance ?? "the host";
  if (!outcome.ready) {
    const headline = `${who} is not ready: ${outcome.reason}. Fix: imagegen logs, imagegen doctor`;
    const log = witness.log.map((line) => `  ${line}`);
    throw new UserError(log.length === 0 ? headline : [`${headline}. Its last words:`, ...log].join("\n"));
  }
  const { device } = outcome.state;
  if (device !== null && !device.startsWith(plan.device)) {
    await pulumi.log.warn(`planned for ${plan.device}, but the service runs on ${device}`);
  }
}
