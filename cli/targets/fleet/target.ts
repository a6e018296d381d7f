import { hostSettings } from "../../../infra/config/fleet/host-settings.ts";
import { imageUsdPerMonth } from "../../../infra/plan/aws/cost.ts";
import { imageBytes } from "../../../infra/plan/aws/startup.ts";
import { TABLE_PRICES } from "../../../infra/plan/prices/prices.ts";
import { commandFor, notRunning } from "../../core/command-line.ts";
import { confirm } from "../../core/confirm.ts";
import type { Context } from "../../core/context.ts";
import { CliError, EXIT } from "../../core/exit.ts";
import { refuseRates } from "../../service/machine-rates.ts";
import { AutomationStack, destroyStack, type StateResource } from "../../stack/automation-stack.ts";
import { fleetPlanOf } from "../../stack/model.ts";
import { saveShell, setSecrets } from "../../stack/shell-variables.ts";
import { ensureCli, findPulumi } from "../../toolchain/pulumi.ts";
import { currentPrices } from "../aws/client/prices.ts";
import { keptPlaces, requireNoDeletionProtection } from "../aws/stack/down.ts";
import type { DownOptions, DownResult, Target, UpResult } from "../target.ts";
import { drainFleet, endDrain } from "./drain.ts";
import { isStopped, openFleet, readGroups } from "./fleet-stack.ts";
import { openGateway } from "./gateway.ts";
import { openJobObjects } from "./job-objects.ts";
import { printFleetLogs } from "./logs.ts";
import { mirrorModel } from "./mirror.ts";
import { makeImagesInFleet } from "./picture.ts";
import { fleetPlanRows } from "./plan-rows.ts";
import { startFleet, stopFleet } from "./start-stop.ts";
import { fleetStatus } from "./status.ts";

/** Hosts in AWS that take jobs from a queue. */
export function fleetTarget(context: Context): Target {
  const { files, paths } = context;
  const { name } = files;
  const refuse = (what: string, fix: string) => {
    const message = `${what}: a fleet has no such command yet.`;
    return Promise.reject(new CliError({ message, fix }, EXIT.usage));
  };
  return {
    stack: name,
    mode: "fleet",
    up: ({ shell }) => upFleet(context, shell),
    down: (options) => downFleet(context, options),
    async plan({ seconds, idle, pictures, offline = false, ...others } = {}) {
      refuseRates(files.name, others);
      const settings = files.settings("fleet");
      const idleShare = idle === undefined ? undefined : idle / 100;
      const prices = offline ? TABLE_PRICES : await currentPrices(context, hostSettings(settings));
      const plan = await fleetPlanOf(paths, settings, name, { prices, seconds, idleShare, pictures });
      return { plan, rows: fleetPlanRows(plan) };
    },
    status: () => fleetStatus(context),
    checks: () => refuse("doctor", commandFor(name, "plan")),
    logs: (options) => printFleetLogs(context, options),
    open: () => openGateway(context),
    images: (request, options) => makeImagesInFleet(context, request, options),
    exec: () => refuse("cache", commandFor("aws-volume", "cache status")),
    restart: () => refuse("restart", commandFor(name, "up")),
    backup: () => refuse("cache backup", commandFor(name, "cache mirror s3://<bucket>/<prefix>")),
    restore: () => refuse("cache restore", commandFor(name, "cache mirror s3://<bucket>/<prefix>")),
    fleet: {
      stop: () => stopFleet(context),
      start: (options) => startFleet(context, options),
      drain: (options) => drainFleet(context, options),
      mirror: (options) => mirrorModel(context, options),
    },
  };
}

/** Makes the queue, the bucket, the groups and the image. No host is waited for. */
async function upFleet(context: Context, shell: Parameters<typeof setSecrets>[1]): Promise<UpResult> {
  const { files, paths, progress, signal } = context;
  const started = performance.now();
  const settings = files.settings("fleet");
  const tools = await ensureCli(paths, progress, signal);
  if (!tools.ok) throw new CliError(tools.reason, EXIT.missingPrerequisite);
  files.write({});
  const stack = await AutomationStack.open(context, "up", tools.root);
  await setSecrets(stack, shell);
  saveShell(context, shell);
  progress.log(`Bringing up the stack ${files.name} in ${settings.region} with Pulumi (log ${stack.log}) …`);
  const outputs = await stack.up({ signal, onText: (text) => progress.update(text) }).finally(() => progress.stop());
  // Whoever may update a stack need not be allowed to look at its groups.
  const stopped = await openFleet(context)
    .then(readGroups)
    .then(isStopped, () => false);
  const text = (output: string) => (typeof outputs[output]?.value === "string" ? String(outputs[output].value) : null);
  return {
    stack: files.name,
    mode: "fleet",
    url: text("url"),
    model: text("modelId"),
    device: null,
    source: null,
    phases: {},
    picture: null,
    seconds: (performance.now() - started) / 1000,
    queueUrl: text("queueUrl"),
    jobStore: text("jobStore"),
    stopped,
  };
}

/** What holds jobs and results: kept unless config says otherwise. */
const OF_RESULTS = ["aws:sqs/queue:Queue", "aws:s3/bucket:Bucket"];

async function downFleet(context: Context, { deleteCache, yes }: DownOptions): Promise<DownResult> {
  const { paths, files, signal } = context;
  if (deleteCache) {
    const message = "--delete-cache: a fleet keeps no models but on its hosts, which go in any case.";
    throw new CliError({ message, fix: commandFor(files.name, "down") }, EXIT.usage);
  }
  const settings = files.settings("fleet");
  const tools = await findPulumi(paths);
  if (!tools.ok) throw new CliError(tools.reason, EXIT.missingPrerequisite);
  const plan = await fleetPlanOf(paths, settings, files.name);
  files.write({});
  let before: readonly StateResource[] = [];
  const left = await destroyStack(context, tools.root, async (resources) => {
    requireNoDeletionProtection(files.name, resources);
    const kept = settings.resultsOnDestroy === "retain" ? "; queues and results are kept" : " with all results";
    await confirm(`This removes all hosts of ${files.name} and all that belongs to it${kept}.`, { yes, signal });
    before = resources;
    // The bucket may stay, and a fleet that is made again takes jobs.
    await takeJobsAgain(context).catch(() => {});
    return {};
  });
  if (left === null) throw notRunning(files.name, `Nothing is there of the stack ${files.name}.`);
  const { modelBytes, loraBytes } = plan.model;
  const bytes = imageBytes(settings.modelCache, { bytes: modelBytes, loraBytes });
  const facts = { onDestroy: "delete", region: settings.region, imageUsdPerMonth: imageUsdPerMonth(bytes) };
  const isKept = ({ type, id }: StateResource) => left.some((each) => each.type === type && each.id === id);
  return {
    stack: files.name,
    stopped: left.length < before.length ? ["fleet"] : [],
    ...keptPlaces(before, left, facts),
    results: before
      .filter(({ type, id }) => OF_RESULTS.includes(type) && id !== undefined)
      .map((one) => ({ place: one.id ?? "", kept: isKept(one) })),
  };
}

async function takeJobsAgain(context: Context): Promise<void> {
  const { client, jobStore } = await openFleet(context);
  await endDrain(await openJobObjects(client, jobStore));
}
