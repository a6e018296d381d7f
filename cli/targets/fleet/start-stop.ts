import { formatSeconds } from "../../../infra/units.ts";
import { commandFor } from "../../core/command-line.ts";
import type { Context } from "../../core/context.ts";
import { CliError } from "../../core/exit.ts";
import { toCliError } from "../aws/client/errors.ts";
import { waitFor } from "../aws/client/wait-for.ts";
import type { StartResult, StopResult } from "../target.ts";
import { endDrain } from "./drain.ts";
import { isStaying, jobsIn, type MarketGroup, openFleet, readGroups, STOPPED_PROCESSES } from "./fleet-stack.ts";
import { type JobObjects, openJobObjects, readWorkers } from "./job-objects.ts";

/** AWS takes a minute or two to end a host, and its worker's container has one to stop. */
const STOP = { everySeconds: 5, timeoutSeconds: 900 };
const LOOK_SECONDS = 5;

/**
 * Ends all hosts, and keeps it so: the groups start none, and no policy asks for one. The limits of the groups are the program's and stay;
 * their processes are not, so that no update starts them again. Jobs stay in the queue.
 */
export async function stopFleet(context: Context): Promise<StopResult> {
  const { progress, signal } = context;
  const fleet = await openFleet(context);
  const { name, scaling } = fleet;
  const terminated = new Set<string>();
  try {
    const groups = await readGroups(fleet);
    const ended = new Set(groups.flatMap(({ hosts }) => hosts.map(({ id }) => id)));
    // First, so that what ends below is not replaced.
    for (const group of groups) await scaling.suspend(group.name, STOPPED_PROCESSES);
    const started = performance.now();
    const fix = `${commandFor(name, "status")}, then ${commandFor(name, "stop")} again`;
    await waitFor(`The end of the hosts of ${name}`, { ...STOP, signal, fix }, async () => {
      const now = await readGroups(fleet);
      // Each time: a policy may have raised it just before the processes were suspended.
      for (const { name: group, desired, least } of now) if (desired > least) await scaling.setDesired(group, least);
      const left = now.flatMap(({ hosts }) => hosts);
      for (const { id } of left) ended.add(id);
      for (const id of hostsToTerminate(now).filter((one) => !terminated.has(one))) {
        await scaling.terminate(id);
        terminated.add(id);
      }
      progress.update(`hosts that end: ${left.length}, ${formatSeconds((performance.now() - started) / 1000)}`);
      return left.length === 0 ? true : undefined;
    });
    progress.stop();
    return { host: null, state: "stopped", hosts: [...ended].sort(), waiting: await jobsIn(fleet) };
  } catch (error) {
    signal.throwIfAborted();
    throw toCliError(error, `stopping the fleet ${name}`);
  }
}

/** Those that a group keeps because they are protected or because it must not have fewer; it replaces none while `Launch` is suspended. */
export function hostsToTerminate(groups: readonly Pick<MarketGroup, "hosts" | "least">[]): string[] {
  return groups.flatMap(({ hosts, least }) => {
    const staying = hosts.filter(isStaying);
    return staying
      .filter(({ protectedFromScaleIn }) => protectedFromScaleIn || staying.length <= least)
      .map(({ id }) => id);
  });
}

/** Lets the groups start hosts again, and asks for the first one where jobs wait. */
export async function startFleet(
  context: Context,
  { wait, timeout }: { readonly wait: boolean; readonly timeout: number },
): Promise<StartResult> {
  const { signal } = context;
  const fleet = await openFleet(context);
  const started = performance.now();
  try {
    const groups = await readGroups(fleet);
    const objects = await openJobObjects(fleet.client, fleet.jobStore);
    await endDrain(objects);
    for (const group of groups) await fleet.scaling.resume(group.name, STOPPED_PROCESSES);
    const wanted = groups.reduce((sum, { desired }) => sum + desired, 0);
    const asks = wanted === 0 && (await jobsIn(fleet)) > 0;
    // The policy does the same, minutes later: its figures are CloudWatch's.
    if (asks) await fleet.scaling.setDesired(fleet.groupNames.spot, 1);
    const desired = asks ? 1 : wanted;
    if (wait && desired > 0) await waitForWorker(context, fleet.name, objects, timeout);
    const seconds = (performance.now() - started) / 1000;
    return { host: null, ready: wait && desired > 0, model: null, seconds, desired };
  } catch (error) {
    signal.throwIfAborted();
    throw toCliError(error, `starting the fleet ${fleet.name}`);
  }
}

async function waitForWorker(
  { progress, signal }: Context,
  name: string,
  objects: JobObjects,
  timeoutSeconds: number,
): Promise<void> {
  const end = performance.now() + timeoutSeconds * 1000;
  const what = `A worker of ${name}`;
  await waitFor(
    what,
    { signal, timeoutSeconds: timeoutSeconds + LOOK_SECONDS, everySeconds: LOOK_SECONDS },
    async () => {
      const workers = await readWorkers(objects);
      if (workers.some(({ phase, takesJobs }) => phase === "ready" && takesJobs)) return true;
      const [first] = workers;
      progress.update(first ? `a worker is ${first.phase}` : "no worker yet");
      if (performance.now() < end) return undefined;
      const message = `No worker of ${name} is ready after ${formatSeconds(timeoutSeconds)}; the fleet stays started.`;
      throw new CliError({ message, fix: commandFor(name, "status") });
    },
  );
  progress.stop();
}
