import { formatSeconds } from "../../../../infra/units.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import { renderReadyz } from "../../../service/readyz.ts";
import { readText } from "../../../stack/config.ts";
import type { Host } from "../client/ec2-models.ts";
import { explainAws } from "../client/errors.ts";
import { type Patience, until } from "../client/wait-for.ts";
import { judgeRecord, type ReadyRecord } from "../host/host-status.ts";
import { describeRefusal, refusalIn } from "../stack/launch-errors.ts";
import { type AwsStack, readRecord } from "../stack/stack.ts";

type Wait = Pick<Patience, "everySeconds">;

const STOP_S = 900;
const START_S = 600;
const PATIENCE_S = 120;

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
    const mend = `imagegen start again later, ${up} --config instanceType=<another>, or imagegen move-az <zone>`;
    throw new CliError(`${describeRefusal(host, refusal, host.zone)}. The cache is safe. Fix: ${mend}`);
  }
}

/** Waits until the host reports, after `since` (milliseconds since 1970), that the service is ready. */
export async function waitForService(
  { progress, signal }: Context,
  stack: AwsStack,
  { instance, since, timeoutSeconds }: { instance: string; since: number; timeoutSeconds: number },
  { everySeconds = 5 }: Partial<Wait> = {},
): Promise<ReadyRecord> {
  let failing: number | undefined;
  const found = await until(
    `The service on ${instance} to be ready (see imagegen logs --stack ${stack.name})`,
    { signal, everySeconds, timeoutSeconds },
    async () => {
      const record = await readRecord(stack);
      const verdict = judgeRecord(record, { instance, now: Date.now(), since });
      if (verdict.kind === "ready") return record ?? undefined;
      if (verdict.kind !== "failed") failing = undefined;
      else {
        // The service tries again by itself what may pass.
        failing ??= performance.now();
        const patient = record?.ready?.error?.retryable === true && performance.now() - failing < PATIENCE_S * 1000;
        if (patient) return undefined;
        const log = record?.log.slice(-20).map((line) => `\n  ${line}`) ?? [];
        throw new CliError(`The service on ${instance} failed: ${verdict.text}${log.join("")}`);
      }
      if (verdict.kind === "working" && record?.ready) {
        const { text, fraction } = renderReadyz(record.ready);
        progress.live(text, fraction);
      } else progress.live(verdict.text);
      return undefined;
    },
  );
  progress.settle();
  return found;
}

/** A group that heals itself would replace a host that was stopped. */
export function refuseSelfHealing({ files }: Pick<Context, "files">, done: string): void {
  if (readText(files.config(), "selfHealing") !== "true") return;
  const mend = `imagegen up --stack ${files.name} --config selfHealing=false`;
  throw new CliError(`A host that heals itself can't be ${done}: it would be made anew. Fix: ${mend}`, EXIT.usage);
}
