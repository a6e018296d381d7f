import { setTimeout as sleep } from "node:timers/promises";
import { statusParameter } from "../../../../infra/contract.ts";
import type { AwsReadinessPlan } from "../../../../infra/plan/aws/readiness.ts";
import { waitForHost } from "../../../../infra/readiness/host-status.ts";
import type { ReadyState } from "../../../../infra/readiness/probe-result.ts";
import { describePending, describeState } from "../../../../infra/readiness/progress.ts";
import { formatSeconds } from "../../../../infra/units.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import { notReady } from "../../../service/readyz.ts";
import { readText } from "../../../stack/config.ts";
import type { Host } from "../client/ec2-models.ts";
import { explainAws } from "../client/errors.ts";
import { type Patience, until } from "../client/wait-for.ts";
import { describeRefusal, refusalIn } from "../stack/launch-errors.ts";
import type { AwsStack } from "../stack/stack.ts";

type Wait = Pick<Patience, "everySeconds">;

const STOP_S = 900;
const START_S = 600;

/** Stops the host, so that only its disks cost money. Waits until it is stopped; nothing to do when it is. */
export async function stopHost(
  { progress, signal }: Context,
  { ec2 }: AwsStack,
  host: Host,
  { everySeconds = 5 }: Partial<Wait> = {},
): Promise<void> {
  if (host.state === "stopped") return;
  try {
    if (host.state !== "stopping") await ec2.stop(host.id);
    const started = performance.now();
    await until(`${host.id} to stop`, { signal, everySeconds, timeoutSeconds: STOP_S }, async () => {
      const state = (await ec2.host(host.id))?.state;
      progress.live(`${host.id} is ${state}, ${formatSeconds((performance.now() - started) / 1000)}`);
      return state === "stopped" || state === "terminated" ? state : undefined;
    });
  } catch (error) {
    signal.throwIfAborted();
    throw explainAws(error, `stopping ${host.id}`);
  }
}

/** Starts the host and waits until EC2 calls it running. */
export async function startHost(
  { progress, signal }: Context,
  { name, ec2 }: Pick<AwsStack, "name" | "ec2">,
  host: Host,
  { everySeconds = 5 }: Partial<Wait> = {},
): Promise<void> {
  const patience = { signal, everySeconds, timeoutSeconds: START_S };
  try {
    // AWS refuses to start a host that is still on its way down.
    if (host.state === "stopping")
      await until(`${host.id} to stop`, patience, async () =>
        (await ec2.host(host.id))?.state === "stopped" ? true : undefined,
      );
    if (host.state !== "running" && host.state !== "pending") await ec2.start(host.id);
    await until(`${host.id} to run`, patience, async () => {
      const state = (await ec2.host(host.id))?.state;
      progress.live(`${host.id} is ${state}`);
      return state === "running" ? true : undefined;
    });
  } catch (error) {
    signal.throwIfAborted();
    const refusal = refusalIn(error instanceof Error ? `${error.name} ${error.message}` : "");
    if (!refusal) throw explainAws(error, `starting ${host.id}`);
    const up = `imagegen up --stack ${name}`;
    const mend = `imagegen start again later, ${up} --config pinnedInstanceType=<another>, or imagegen move-az <zone>`;
    throw new CliError(`${describeRefusal(host, refusal, host.zone)}. The cache is safe. Fix: ${mend}`);
  }
}

/** Waits until the host's status, written after `since` (milliseconds since 1970), says that the service is ready. */
export async function waitForService(
  { progress, signal }: Context,
  { name, ssm, outputs }: Pick<AwsStack, "name" | "ssm" | "outputs">,
  plan: AwsReadinessPlan,
  { instance, since }: { readonly instance: string; readonly since: number },
): Promise<ReadyState> {
  const { outcome, log } = await waitForHost(
    { ...plan, parameter: statusParameter(outputs.parameterPrefix) },
    { deployment: null, instance, since },
    {
      readParameter: async (parameter) => {
        const text = await ssm.parameter(parameter).catch((error: unknown) => {
          signal.throwIfAborted();
          throw explainAws(error, `reading the status of the host of the stack ${name}`);
        });
        return text === null
          ? { kind: "none", reason: "the host has not written its status yet" }
          : { kind: "value", text };
      },
      now: () => performance.now() / 1000,
      date: Date.now,
      sleep: async (seconds) => sleep(seconds * 1000, undefined, { signal }),
      onProgress: (pending) => {
        const { text, fraction } =
          pending.kind === "starting" ? describeState(pending.state) : { text: describePending(pending) };
        progress.live(text, fraction);
      },
    },
  );
  progress.settle();
  if (outcome.ready) return outcome.state;
  const failure = notReady(outcome, name);
  throw new CliError([failure.message, ...log.slice(-20).map((line) => `  ${line}`)].join("\n"));
}

/** A group that heals itself would replace a host that was stopped. */
export function refuseSelfHealing({ files }: Pick<Context, "files">, done: string): void {
  if (readText(files.config(), "selfHealing") !== "true") return;
  const mend = `imagegen up --stack ${files.name} --config selfHealing=false`;
  throw new CliError(`A host that heals itself can't be ${done}: it would be made anew. Fix: ${mend}`, EXIT.usage);
}
