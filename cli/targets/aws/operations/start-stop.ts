import { statusParameter } from "../../../../infra/contract.ts";
import { describeLaunchError, findLaunchError } from "../../../../infra/plan/aws/launch-errors.ts";
import type { AwsReadinessPlan } from "../../../../infra/plan/aws/readiness.ts";
import { waitForHost } from "../../../../infra/readiness/host-status.ts";
import type { ReadyState } from "../../../../infra/readiness/probe-result.ts";
import { formatSeconds } from "../../../../infra/units.ts";
import { commandFor } from "../../../core/command-line.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import { clock, failureDetail, showPending } from "../../../service/readiness.ts";
import { readText } from "../../../stack/config.ts";
import { awsPlanOf } from "../../../stack/model.ts";
import type { RestartOptions, RestartResult, StartResult, StopResult } from "../../target.ts";
import type { Host } from "../client/ec2-models.ts";
import { toCliError } from "../client/errors.ts";
import { waitFor } from "../client/wait-for.ts";
import { restartOnHost } from "../host/image-gen.ts";
import { type AwsStack, openStack, requireStackHost } from "../stack/stack.ts";

const STOP = { everySeconds: 5, timeoutSeconds: 900 };
const START = { everySeconds: 5, timeoutSeconds: 600 };

export async function stopInAws(context: Context): Promise<StopResult> {
  requireNoSelfHealing(context, "A self-healing group would replace a host that is stopped.");
  const stack = await openStack(context);
  const host = await requireStackHost(stack);
  await stopHost(context, stack, host);
  return { host: host.id, state: "stopped" };
}

export async function startInAws(
  context: Context,
  { wait, timeout }: { wait: boolean; timeout: number },
): Promise<StartResult> {
  const stack = await openStack(context);
  const host = await requireStackHost(stack);
  const started = performance.now();
  // A heartbeat of a running host still counts.
  const since = host.state === "running" ? 0 : Date.now();
  await startHost(context, stack, host);
  const { readiness } = await awsPlanOf(context.paths, context.files.settings("aws"), stack.name);
  const plan = { ...readiness, readyTimeoutSeconds: timeout };
  const state = wait ? await waitForReadyHost(context, stack, plan, { instance: host.id, since }) : null;
  const seconds = (performance.now() - started) / 1000;
  return { host: host.id, ready: state !== null, model: state?.model ?? null, seconds };
}

/** Restarts the service on its host; the host keeps running. */
export async function restartInAws(context: Context, { wait }: RestartOptions): Promise<RestartResult> {
  const stack = await openStack(context);
  const host = await requireStackHost(stack);
  const since = Date.now();
  await restartOnHost(context);
  if (!wait) return { ready: null };
  const { readiness } = await awsPlanOf(context.paths, context.files.settings("aws"), stack.name);
  return { ready: await waitForReadyHost(context, stack, readiness, { instance: host.id, since }) };
}

/** Stops the host and waits until it is stopped. */
export async function stopHost({ progress, signal }: Context, { ec2 }: AwsStack, host: Host): Promise<void> {
  if (host.state === "stopped") return;
  try {
    if (host.state !== "stopping") await ec2.stop(host.id);
    const started = performance.now();
    await waitFor(`${host.id} to stop`, { ...STOP, signal }, async () => {
      const state = (await ec2.host(host.id))?.state;
      progress.update(`${host.id} is ${state}, ${formatSeconds((performance.now() - started) / 1000)}`);
      return state === "stopped" || state === "terminated" ? state : undefined;
    });
  } catch (error) {
    signal.throwIfAborted();
    throw toCliError(error, `stopping ${host.id}`);
  }
}

/** Starts the host and waits until EC2 calls it running. */
export async function startHost(
  { progress, signal }: Context,
  { name, ec2 }: Pick<AwsStack, "name" | "ec2">,
  host: Host,
): Promise<void> {
  const poll = { ...START, signal };
  try {
    // AWS refuses to start a host that is still stopping.
    if (host.state === "stopping")
      await waitFor(`${host.id} to stop`, poll, async () =>
        (await ec2.host(host.id))?.state === "stopped" ? true : undefined,
      );
    if (host.state !== "running" && host.state !== "pending") await ec2.start(host.id);
    await waitFor(`${host.id} to run`, poll, async () => {
      const state = (await ec2.host(host.id))?.state;
      progress.update(`${host.id} is ${state}`);
      return state === "running" ? true : undefined;
    });
  } catch (error) {
    signal.throwIfAborted();
    const launchError = findLaunchError(error instanceof Error ? `${error.name} ${error.message}` : "");
    if (!launchError) throw toCliError(error, `starting ${host.id}`);
    const other = [commandFor(name, "up --config pinnedInstanceType=<another>"), commandFor(name, "move-az <zone>")];
    const message = `${describeLaunchError(host, launchError, host.zone)}. The cache is safe.`;
    throw new CliError({ message, fix: `${commandFor(name, "start")} again later, ${other.join(", or ")}` });
  }
}

/** Waits for a heartbeat after `since` (milliseconds since 1970) that reports a ready service. */
async function waitForReadyHost(
  { progress, signal }: Context,
  { name, ssm, state }: AwsStack,
  plan: AwsReadinessPlan,
  { instance, since }: { readonly instance: string; readonly since: number },
): Promise<ReadyState> {
  const readParameter = async (parameter: string) => {
    const text = await ssm.parameter(parameter).catch((error: unknown) => {
      signal.throwIfAborted();
      throw toCliError(error, `reading the host status of the stack ${name}`);
    });
    return text === null ? ({ kind: "none", reason: "no heartbeat yet" } as const) : ({ kind: "value", text } as const);
  };
  const { outcome, log } = await waitForHost(
    { ...plan, parameter: statusParameter(state.parameterPrefix) },
    { deployment: null, instance, since },
    { readParameter, date: Date.now, onProgress: (pending) => showPending(progress, pending), ...clock(signal) },
  );
  progress.stop();
  if (outcome.ready) return outcome.state;
  const lines = log.slice(-20).map((line) => ({ message: `  ${line}` }));
  throw new CliError([failureDetail(outcome, name), ...lines]);
}

export function requireNoSelfHealing({ files }: Pick<Context, "files">, message: string): void {
  if (readText(files.config(), "selfHealing") !== "true") return;
  // An update alone fails, as the group's host still has the volume.
  throw new CliError({ message, fix: "docs/guides/aws-network.md#self-healing" }, EXIT.usage);
}
