/** The program of a fleet. In: settings. Out: outputs, once all is made. One call a stage. */

import { READER_VARIABLE } from "../../command-line.ts";
import type { FleetSettings } from "../../config/fleet/settings.ts";
import { UserError } from "../../errors.ts";
import { showBuildHistory } from "../../io/build-history.ts";
import { readManifest } from "../../io/manifests.ts";
import { updateProblems } from "../../plan/aws/plan.ts";
import { chooseZone, typesToLookUp } from "../../plan/aws/zone.ts";
import { type FleetPlan, fleetProblemsOf, makeFleetPlan } from "../../plan/fleet/plan.ts";
import { buildPlaces, type ProgramContext } from "../../program-context.ts";
import { createBudget } from "../budget.ts";
import { RegistryImage } from "../image/registry-image.ts";
import { createProvider, lookupAmi, lookupOfferings, lookupZones, type WithProvider } from "../lookups.ts";
import { FleetHosts } from "./fleet-hosts.ts";
import { FleetNetwork } from "./fleet-network.ts";
import { JobQueue } from "./job-queue.ts";
import { JobStore } from "./job-store.ts";
import { type FleetOutputs, fleetOutputs } from "./outputs.ts";

export async function fleet(settings: FleetSettings, context: ProgramContext): Promise<FleetOutputs> {
  const { name, stack, preview, secrets, fixes } = context;
  const { manifests, context: sources, dockerfile } = buildPlaces(context);
  const manifest = readManifest(settings.modelId, manifests);
  const planned = makeFleetPlan(settings, manifest, stack);
  const plan = { ...planned, image: { ...planned.image, context: sources, dockerfile } };
  const problems = [...fleetProblemsOf(settings, plan, manifest), ...(preview ? [] : updateProblems(settings))];
  if (problems.length > 0) throw new UserError(problems.map(fixes.problem));
  const opts = { provider: createProvider(name, plan) };
  const { zones, offered } = await lookupFleetZones(plan, opts, fixes.problem);

  const onError = showBuildHistory(plan.image, name);
  const image = new RegistryImage(name, { plan: plan.image, hfToken: secrets.hfToken, onError }, opts);
  const queue = new JobQueue(name, { plan: plan.jobs }, opts);
  const store = new JobStore(name, { plan: plan.jobs }, opts);
  if (plan.budget) createBudget(name, plan.budget, opts);
  const where = { region: plan.region, zones, offered, bucketArn: store.bucketArn };
  const network = new FleetNetwork(name, { plan: plan.network, ...where }, opts);
  const environment = { ...plan.deployment.environment, [READER_VARIABLE]: fixes.serviceCommand };
  const hosts = new FleetHosts(
    name,
    {
      plan,
      deployment: { ...plan.deployment, environment },
      image,
      queue,
      store,
      network,
      amiId: lookupAmi(plan.hosts, opts),
      fixes,
    },
    opts,
  );
  return fleetOutputs(plan, { image, queue, store, hosts });
}

/** All zones of the region, and those that offer a type of the list. Which subnets there are must be known before any is made. */
async function lookupFleetZones(
  { network, hosts: { host }, region, stack, gpuMemoryMib }: FleetPlan,
  opts: WithProvider,
  word: (problem: Parameters<ProgramContext["fixes"]["problem"]>[0]) => string,
): Promise<{ readonly zones: readonly string[]; readonly offered: readonly string[] }> {
  if (network.kind === "existing") return { zones: [], offered: [] };
  const types = host.instanceTypes;
  const [zones, offers] = await Promise.all([lookupZones(opts), lookupOfferings(typesToLookUp(types), opts)]);
  if (offers === null) return { zones, offered: zones };
  const choice = chooseZone({ stack, region, types, zone: null, hasVolume: false, gpuMemoryMib }, offers, zones);
  if ("problem" in choice) throw new UserError([word(choice.problem)]);
  return { zones, offered: zones.filter((zone) => types.some((type) => offers[type]?.includes(zone))) };
}
