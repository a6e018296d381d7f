import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
  cancelledResult,
  DEFAULT_JOB_KEY,
  jobFolder,
  jobMessage,
  jobName,
  jobRecord,
  resultName,
} from "../../../infra/contract.ts";
import { formatSeconds } from "../../../infra/units.ts";
import { commandFor, notRunning } from "../../core/command-line.ts";
import type { Context } from "../../core/context.ts";
import { CliError, type ErrorDetail, firstLine } from "../../core/exit.ts";
import { formatOf } from "../../service/image-files.ts";
import { type EditedImage, type ImageRequest, readImage } from "../../service/image-request.ts";
import { type ImageOptions, imageSaver, type SavedImages } from "../../service/images.ts";
import { fleetPlanOf } from "../../stack/model.ts";
import { toCliError } from "../aws/client/errors.ts";
import { openSqs, type Sqs } from "../aws/client/sqs.ts";
import { type FleetStack, isStopped, type MarketGroup, openFleet, readGroups } from "./fleet-stack.ts";
import { type JobObjects, openJobObjects, readWorkers } from "./job-objects.ts";
import { parseJobResult } from "./job-result.ts";
import { readLaunchProblems } from "./launch-failures.ts";

/** Seconds: a start from zero is estimated at less than half of it. */
const TIMEOUT_S = 1800;
/** Of the result, which is a small object: as a gateway asks. */
const ASK_MS = 1000;
/** Looks for the result that may fail one after another: one that fails must not cost a job that is being made. */
const MOST_FAILED = 30;
/** Of hosts and workers, for the progress line. */
const LOOK_MS = 10_000;

/** Sends one job to the queue, as a gateway does, waits for its result and saves the pictures. Nothing of it is kept in the job store. */
export async function makeImagesInFleet(
  context: Context,
  asked: ImageRequest,
  { edited, output, timeout = TIMEOUT_S }: ImageOptions = {},
): Promise<SavedImages> {
  const { files, progress, signal } = context;
  const started = performance.now();
  const format = formatOf(output, asked.output_format);
  const request = { ...asked, output_format: format };
  const saver = imageSaver(context, { output, format, count: asked.n ?? 1 });
  const uploads = readUploads(edited);
  const fleet = await openFleet(context);
  const groups = await readGroups(fleet);
  if (isStopped(groups))
    throw notRunning(fleet.name, `The fleet ${fleet.name} is stopped: no host takes a job.`, "start");
  const objects = await openJobObjects(fleet.client, fleet.jobStore);
  const id = `job_${randomBytes(12).toString("hex")}`;
  let state: "none" | "sent" | "ended" = "none";
  try {
    await sendJob({ fleet, objects, sqs: await openSqs(fleet.client) }, id, request, uploads);
    state = "sent";
    await wake(fleet, groups, objects, progress.log);
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeout * 1000)]);
    const result = await waitForResult({ ...context, signal: limit }, fleet, objects, id);
    signal.throwIfAborted();
    if (result === null) throw await timedOut(context, fleet, objects, timeout);
    state = "ended";
    const { pictures, worker, seconds } = parseJobResult(id, result);
    for (const { object, seed } of pictures) {
      const data = await objects.read(object);
      if (data === null) throw new CliError(`The picture ${object} is not in the job store any more.`);
      saver.save({ data, seed });
    }
    progress.stop();
    progress.log(`Made by the worker ${worker} in ${seconds} s.`);
    return saver.result(request.prompt, (performance.now() - started) / 1000);
  } catch (error) {
    signal.throwIfAborted();
    throw toCliError(error, `making a picture with the fleet ${files.name}`);
  } finally {
    progress.stop();
    if (state !== "none")
      await forget(objects, id, state === "ended").catch((error: unknown) => {
        progress.log(`The job ${id} stays in the job store until it expires: ${firstLine(error)}`);
      });
  }
}

type Uploads = Readonly<Record<string, Uint8Array>>;

function readUploads(edited: EditedImage | undefined): Uploads {
  if (!edited) return {};
  const { image, mask } = edited;
  return { image: readImage(image), ...(mask === undefined ? {} : { mask: readImage(mask) }) };
}

/** The job's objects are there before its message, and go where that can't be sent. */
async function sendJob(
  { fleet, objects, sqs }: { readonly fleet: FleetStack; readonly objects: JobObjects; readonly sqs: Sqs },
  id: string,
  request: ImageRequest,
  uploads: Uploads,
): Promise<void> {
  const { waiting } = await sqs.counts(fleet.queueUrl);
  const names = Object.keys(uploads);
  const record = jobRecord({
    id,
    kind: names.length === 0 ? "generation" : "edit",
    fields: { ...request },
    files: Object.fromEntries(names.map((name) => [name, `${jobFolder(id)}${name}`])),
    created: Date.now() / 1000,
    before: waiting,
  });
  try {
    for (const [name, data] of Object.entries(uploads)) await objects.write(`${jobFolder(id)}${name}`, data);
    await objects.write(jobName(id), JSON.stringify(record));
    await sqs.send(fleet.queueUrl, jobMessage(id), DEFAULT_JOB_KEY);
  } catch (error) {
    await objects.remove([jobName(id), ...names.map((name) => `${jobFolder(id)}${name}`)]).catch(() => {});
    throw error;
  }
}

/** Asks for the first host where none is there: the policy does the same, minutes later. */
async function wake(
  { scaling, groupNames }: FleetStack,
  groups: readonly MarketGroup[],
  objects: JobObjects,
  log: (line: string) => void,
): Promise<void> {
  if (groups.some(({ desired }) => desired > 0) || (await readWorkers(objects)).length > 0) return;
  await scaling.setDesired(groupNames.spot, 1).catch((error: unknown) => {
    log(
      `The first host comes by the fleet's policy, as it can't be asked for: ${toCliError(error, groupNames.spot).message}`,
    );
  });
}

/** Null where the signal came before it. */
async function waitForResult(
  { progress, signal }: Pick<Context, "progress" | "signal">,
  fleet: FleetStack,
  objects: JobObjects,
  id: string,
): Promise<Buffer | null> {
  let looked = Number.NEGATIVE_INFINITY;
  let failed = 0;
  while (!signal.aborted) {
    const result = await objects.read(resultName(id)).then(
      (found) => {
        failed = 0;
        return found;
      },
      (error: unknown) => {
        failed += 1;
        if (failed >= MOST_FAILED) throw error;
        return null;
      },
    );
    if (result !== null) return result;
    if (performance.now() - looked > LOOK_MS) {
      looked = performance.now();
      progress.update(await progressLine(fleet, objects).catch(() => "waiting for the picture"));
    }
    await sleep(ASK_MS, undefined, { signal }).catch(() => {});
  }
  return null;
}

async function progressLine(fleet: FleetStack, objects: JobObjects): Promise<string> {
  const [workers, groups] = await Promise.all([readWorkers(objects), readGroups(fleet)]);
  if (workers.some(({ phase, takesJobs }) => phase === "ready" && takesJobs)) return "waiting for the picture";
  const [worker] = workers;
  if (worker) return `waiting for a worker, which is ${worker.phase}`;
  const hosts = groups.flatMap((group) => group.hosts);
  return hosts.length > 0 ? "waiting for a worker: a host has started" : "waiting for a host";
}

/** What is missing, as far as it shows; and why no host comes. */
async function timedOut(
  { paths, files }: Context,
  fleet: FleetStack,
  objects: JobObjects,
  timeout: number,
): Promise<CliError> {
  const groups = await readGroups(fleet);
  const workers = await readWorkers(objects);
  const plan = await fleetPlanOf(paths, files.settings("fleet"), fleet.name);
  // Whoever may send jobs need not be allowed to ask why no host comes.
  const problems = await readLaunchProblems(fleet, groups, plan).catch(() => []);
  const hosts = groups.flatMap((group) => group.hosts);
  const failed = workers.find(({ error }) => error !== null)?.error;
  const why =
    hosts.length === 0
      ? "no host came"
      : workers.length === 0
        ? "a host came, and no worker"
        : failed !== undefined
          ? `a worker failed: ${failed}`
          : `workers were ${[...new Set(workers.map(({ phase }) => phase))].join(", ")}`;
  const first: ErrorDetail = {
    message: `No picture within ${formatSeconds(timeout)}: ${why}. The job was cancelled.`,
    fix: problems.length > 0 ? undefined : commandFor(fleet.name, hosts.length === 0 ? "status" : "logs"),
  };
  return new CliError([first, ...problems]);
}

/** What the job had goes. One without a result is cancelled: a worker that has it ends, and one that gets its message drops it. */
async function forget(objects: JobObjects, id: string, hasResult: boolean): Promise<void> {
  const cancelled = JSON.stringify(cancelledResult(id, Date.now() / 1000));
  const isCancelled = !hasResult && (await objects.create(resultName(id), cancelled));
  const names = await objects.names(jobFolder(id));
  await objects.remove(names.filter((name) => !isCancelled || name !== resultName(id)));
}
