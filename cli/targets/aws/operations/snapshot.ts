import { stackTags } from "../../../../infra/contract.ts";
import { formatSeconds } from "../../../../infra/units.ts";
import { commandFor, notRunning } from "../../../core/command-line.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, firstLine } from "../../../core/exit.ts";
import type { Snapshot } from "../client/ec2-models.ts";
import { toCliError } from "../client/errors.ts";
import { waitFor } from "../client/wait-for.ts";
import { hostRun } from "../host/image-gen.ts";
import { runOnHost } from "../host/run-command.ts";
import { type AwsStack, findHost } from "../stack/stack.ts";

/** Seconds for a snapshot; a volume's first one copies all that was ever written. */
const POLL = { everySeconds: 10, timeoutSeconds: 6 * 3600 };
const SYNC_S = 60;

/**
 * Makes a snapshot of the data volume and waits until it is complete. For a running host it is crash-consistent, which the
 * filesystem and the cache are made for; the host flushes its page cache first if it responds.
 */
export async function snapshotVolume(
  context: Context,
  stack: AwsStack,
  tags: Readonly<Record<string, string>> = {},
): Promise<Snapshot> {
  const { progress } = context;
  const { volumeId } = stack.state;
  if (volumeId === null) throw notRunning(stack.name, `The stack ${stack.name} has no volume yet.`);
  const host = await findHost(stack);
  if (host?.state === "running") {
    const run = { ...hostRun(context, stack, host.id, "flushing the page cache"), seconds: SYNC_S };
    await runOnHost(run, "sync -f /data").catch((error: unknown) => {
      context.signal.throwIfAborted();
      progress.log(`The host did not flush its page cache first: ${firstLine(error)}`);
    });
  }
  try {
    const all = { ...stackTags(stack.name), ...tags };
    const made = await stack.ec2.createSnapshot(volumeId, `image-gen cache of the stack ${stack.name}`, all);
    progress.log(`Started the snapshot ${made.id} of ${volumeId}.`);
    return await waitForSnapshot(context, stack, made.id);
  } catch (error) {
    context.signal.throwIfAborted();
    throw toCliError(error, `making a snapshot of ${volumeId}`);
  }
}

export async function waitForSnapshot(
  { progress, signal }: Context,
  { ec2, name }: AwsStack,
  id: string,
): Promise<Snapshot> {
  const started = performance.now();
  const done = await waitFor(`The snapshot ${id}`, { ...POLL, signal }, async () => {
    const now = await ec2.snapshot(id);
    if (!now || now.state === "error") {
      const fix = commandFor(name, "cache backup --snapshot");
      throw new CliError({ message: `The snapshot ${id} failed; nothing was changed.`, fix });
    }
    if (now.state === "completed") return now;
    const passed = formatSeconds((performance.now() - started) / 1000);
    progress.update(`snapshot ${id}: ${Math.round(now.progress * 100)} %, ${passed}`, now.progress);
    return undefined;
  });
  progress.stop();
  return done;
}
