import { DRAIN_OBJECT, JOB_VERSION } from "../../../infra/contract.ts";
import { formatSeconds } from "../../../infra/units.ts";
import { commandFor } from "../../core/command-line.ts";
import type { Context } from "../../core/context.ts";
import { CliError } from "../../core/exit.ts";
import { toCliError } from "../aws/client/errors.ts";
import { waitFor } from "../aws/client/wait-for.ts";
import type { DrainResult, FleetWorker } from "../target.ts";
import { jobsIn, openFleet, readGroups, STOPPED_PROCESSES } from "./fleet-stack.ts";
import { type JobObjects, openJobObjects, readWorkers } from "./job-objects.ts";

const LOOK_SECONDS = 5;

/**
 * Workers end the jobs that they have and take no other ones, and no host is started or ended by a policy. Returns when no worker has a job;
 * the hosts stay, for `stop` or `start`.
 */
export async function drainFleet(context: Context, { timeout }: { readonly timeout: number }): Promise<DrainResult> {
  const { progress, signal } = context;
  const fleet = await openFleet(context);
  const started = performance.now();
  const passed = () => (performance.now() - started) / 1000;
  try {
    const objects = await openJobObjects(fleet.client, fleet.jobStore);
    // The object first: without it, suspended groups would leave workers that take jobs, and no host for more of them.
    await objects.write(DRAIN_OBJECT, JSON.stringify({ version: JOB_VERSION, since: Date.now() / 1000 }));
    for (const group of await readGroups(fleet)) await fleet.scaling.suspend(group.name, STOPPED_PROCESSES);
    const limit = { signal, timeoutSeconds: timeout + 2 * LOOK_SECONDS, everySeconds: LOOK_SECONDS };
    const workers = await waitFor(`The end of the jobs of ${fleet.name}`, limit, async () => {
      const found = await readWorkers(objects);
      const left = found.filter(({ drained }) => !drained);
      if (left.length === 0) return found;
      if (passed() > timeout) throw notDrained(fleet.name, left, timeout);
      progress.update(`workers with a job, or that still ask for one: ${left.length}, ${formatSeconds(passed())}`);
      return undefined;
    });
    progress.stop();
    return {
      stack: fleet.name,
      workers: workers.map(({ id }) => id).sort(),
      waiting: await jobsIn(fleet),
      seconds: passed(),
    };
  } catch (error) {
    signal.throwIfAborted();
    throw toCliError(error, `draining the fleet ${fleet.name}`);
  }
}

/** Lets workers take jobs again. */
export async function endDrain(objects: Pick<JobObjects, "read" | "remove">): Promise<void> {
  if ((await objects.read(DRAIN_OBJECT)) !== null) await objects.remove([DRAIN_OBJECT]);
}

function notDrained(stack: string, left: readonly FleetWorker[], timeout: number): CliError {
  const names = (some: readonly FleetWorker[]) => some.map(({ id }) => id).join(", ");
  const [older, busy] = [left.filter(({ takesJobs }) => takesJobs), left.filter(({ takesJobs }) => !takesJobs)];
  const after = `after ${formatSeconds(timeout)}`;
  const details = [];
  if (busy.length > 0) {
    const fix = `${commandFor(stack, "drain")}, or ${commandFor(stack, "stop")}, which gives the jobs back`;
    details.push({ message: `Workers still have a job ${after}: ${names(busy)}. They take no other one.`, fix });
  }
  if (older.length > 0) {
    const message = `Workers still take jobs ${after}: ${names(older)}. Their image may be of an earlier version.`;
    // `up` would start no host with a newer image: the groups start none.
    details.push({ message, fix: commandFor(stack, "stop") });
  }
  return new CliError(details);
}
