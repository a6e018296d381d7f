import { stackTags } from "../../../../infra/contract.ts";
import { formatSeconds } from "../../../../infra/units.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import type { Snapshot } from "../client/ec2-models.ts";
import { explainAws } from "../client/errors.ts";
import { until } from "../client/wait-for.ts";
import { hostRun } from "../host/image-gen.ts";
import { runOnHost } from "../host/run-command.ts";
import { type AwsStack, findHost } from "../stack/stack.ts";

/** A first snapshot copies all that was ever written, at the pace AWS likes (seconds). */
const LONGEST_S = 6 * 3600;
const SYNC_S = 60;

/**
 * A snapshot of the data volume, waited for until it is complete. Of a running host it is what a power cut would leave,
 * which the filesystem and the cache are made for; what is in memory is written out first where the host can be asked.
 */
export async function snapshotVolume(
  context: Context,
  stack: AwsStack,
  tags: Readonly<Record<string, string>> = {},
  { everySeconds = 10 }: { everySeconds?: number } = {},
): Promise<Snapshot> {
  const { progress } = context;
  const volumeId = requireVolume(stack);
  const host = await findHost(stack);
  if (host?.state === "running") {
    const run = { ...hostRun(context, stack, host.id, "writing out the volume"), seconds: SYNC_S };
    await runOnHost(run, "sync -f /data").catch((error: unknown) => {
      context.signal.throwIfAborted();
      progress.line(
        `The host could not write out its memory first: ${error instanceof Error ? error.message : String(error)}`,
      );
    });
  }
  try {
    const all = { ...stackTags(stack.name), ...tags };
    const made = await stack.ec2.createSnapshot(volumeId, `image-gen cache of the stack ${stack.name}`, all);
    progress.line(`Snapshot ${made.id} of ${volumeId} begun.`);
    return await waitForSnapshot(context, stack, made.id, { everySeconds });
  } catch (error) {
    context.signal.throwIfAborted();
    throw explainAws(error, `making a snapshot of ${volumeId}`);
  }
}

export async function waitForSnapshot(
  { progress, signal }: Context,
  { ec2 }: AwsStack,
  id: string,
  { everySeconds = 10 }: { everySeconds?: number } = {},
): Promise<Snapshot> {
  const started = performance.now();
  const done = await until(`The snapshot ${id}`, { signal, everySeconds, timeoutSeconds: LONGEST_S }, async () => {
    const now = await ec2.snapshot(id);
    if (!now || now.state === "error") throw new CliError(`The snapshot ${id} failed; nothing was changed.`);
    if (now.state === "completed") return now;
    const passed = formatSeconds((performance.now() - started) / 1000);
    progress.live(`snapshot ${id}: ${Math.round(now.progress * 100)} %, ${passed}`, now.progress);
    return undefined;
  });
  progress.settle();
  return done;
}

function requireVolume({ outputs, name }: AwsStack): string {
  if (outputs.volumeId !== null) return outputs.volumeId;
  throw new CliError(`The stack ${name} has no volume yet: imagegen up --stack ${name}`, EXIT.notRunning);
}
