/** The program of a fleet. In: settings. Out: outputs, once all is begun. One call a stage. */

import { READER_VARIABLE } from "../../command-line.ts";
import type { FleetSettings } from "../../config/fleet/settings.ts";
import { UserError } from "../../errors.ts";
import { showBuildHistory } from "../../io/build-history.ts";
import { readManifest } from "../../io/manifests.ts";
import { updateProblems } from "../../plan/aws/plan.ts";
import { chooseZone, typesToLookUp } from "../../plan/aws/zone.ts";
import { type ChosenSubnets, chooseGatewaySubnets } from "../../plan/fleet/network.ts";
import { type FleetPlan, fleetProblemsOf, makeFleetPlan } from "../../plan/fleet/plan.ts";
import { buildPlaces, type ProgramContext } from "../../program-context.ts";
import { createBudget } from "../budget.ts";
import { RegistryImage } from "../image/registry-image.ts";
import { lookupAmi, lookupOfferings, lookupSubnets, lookupZones, optionsOf, type WithProvider } from "../lookups.ts";
import { FleetHosts } from "./fleet-hosts.ts";
import { FleetNetwork } from "./fleet-network.ts";
import { createGateway, createGatewayBalancer } from "./gateway.ts";
import { JobQueue } from "./job-queue.ts";
import { JobStore } from "./job-store.ts";
import { type FleetOutputs, fleetOutputs } from "./outputs.ts";

export const fleet = async (settings: FleetSettings, context: ProgramContext): Promise<FleetOutputs> =>
  createFleet(planFleet(settings, context), context);

/** The plan, with the places of this program's files. Throws a UserError with every mistake that config alone shows. */
export function planFleet(settings: FleetSettings, context: ProgramContext): FleetPlan {
  const { stack, preview, fixes } = context;
  const { manifests, context: sources, dockerfile } = buildPlaces(context);
  const manifest = readManifest(settings.modelId, manifests);
  const planned = makeFleetPlan(settings, manifest, stack);
  const plan = { ...planned, image: { ...planned.image, context: sources, dockerfile } };
  const problems = [...fleetProblemsOf(settings, plan, manifest), ...(preview ? [] : updateProblems(settings))];
  if (problems.length > 0) throw new UserError(problems.map(fixes.problem));
  return plan;
}

/** Which subnets there are must be known before any is made: only then the resources are. */
export async function createFleet(plan: FleetPlan, context: ProgramContext): Promise<FleetOutputs> {
  const { name, secrets, fixes } = context;
  const opts = optionsOf(context, plan);
  const { zones, offered } = await lookupFleetZones(plan, opts, fixes.problem);
  const gatewaySubnets = await lookupGatewaySubnets(plan, opts, fixes.problem);

  const onError = showBuildHistory(plan.image, name);
  const image = new RegistryImage(name, { plan: plan.image, hfToken: secrets.hfToken, onError }, opts);
  const queue = new JobQueue(name, { plan: plan.jobs }, opts);
  const store = new JobStore(name, { plan: plan.jobs }, opts);
  if (plan.budget) createBudget(name, plan.budget, opts);
  const where = { region: plan.region, zones, offered, bucketArn: store.bucketArn, gatewaySubnets };
  const network = new FleetNetwork(name, { plan: plan.network, ...where }, opts);
  const reader = { [READER_VARIABLE]: fixes.serviceCommand };
  const environment = { ...plan.deployment.environment, ...reader };
  const loadBalancer = createGatewayBalancer(name, plan, network, opts);
  const hosts = new FleetHosts(
    name,
    {
      plan,
      deployment: { ...plan.deployment, environment },
      image,
      queue,
      store,
      network,
      balancer: loadBalancer?.dimensions ?? null,
      amiId: lookupAmi(plan.hosts, opts),
      fixes,
    },
    opts,
  );
  const parts = { plan, environment: reader, image, queue, store, network, hosts, loadBalancer };
  const gateway = createGateway(name, parts, opts);
  return fleetOutputs(plan, { image, queue, store, hosts, gateway });
}

type Word = (problem: Parameters<ProgramContext["fixes"]["problem"]>[0]) => string;

/** Of an existing network: which subnets the gateway's tasks are put into. */
async function lookupGatewaySubnets(
  { network }: FleetPlan,
  opts: WithProvider,
  word: Word,
): Promise<ChosenSubnets | null> {
  if (network.kind !== "existing" || !network.hasGateway) return null;
  const [own, balancer] = await Promise.all([
    lookupSubnets(network.subnetIds, opts),
    lookupSubnets(network.albSubnetIds, opts),
  ]);
  const chosen = chooseGatewaySubnets(own, balancer);
  if ("problem" in chosen) throw new UserError([word(chosen.problem)]);
  return chosen;
}

/** All zones of the region, and those that offer a type of the list. */
async function lookupFleetZones(
  { network, hosts: { host }, region, stack, gpuMemoryMib }: FleetPlan,
  opts: WithProvider,
  word: Word,
): Promise<{ readonly zones: readonly string[]; readonly offered: readonly string[] }> {
  if (network.kind === "existing") return { zones: [], offered: [] };
  const types = host.instanceTypes;
  const [zones, offers] = await Promise.all([lookupZones(opts), lookupOfferings(typesToLookUp(types), opts)]);
  if (offers === null) return { zones, offered: zones };
  const choice = chooseZone({ stack, region, types, zone: null, hasVolume: false, gpuMemoryMib }, offers, zones);
  if ("problem" in choice) throw new UserError([word(choice.problem)]);
  return { zones, offered: zones.filter((zone) => types.some((type) => offers[type]?.includes(zone))) };
}
