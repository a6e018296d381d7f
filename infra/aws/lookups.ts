/** What the program finds out from the account, and what it tells the provider. Where config knows, nobody is asked. */
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { SERVICE_NAME, stackTags, vcpuQuota } from "../contract.ts";
import type { Fixes } from "../fixes.ts";
import { hookName } from "../hook-name.ts";
import { DENIED } from "../plan/aws/credential-errors.ts";
import type { AwsHostPlan } from "../plan/aws/host.ts";
import { explainLaunchError, explainQuota, type OfferedTypes } from "../plan/aws/launch-errors.ts";
import type { AwsPlan } from "../plan/aws/plan.ts";
import { chooseZone, type Offerings, otherZones, typesToLookUp } from "../plan/aws/zone.ts";
import type { SubnetFacts } from "../plan/fleet/network.ts";
import type { ProgramContext } from "../program-context.ts";

/** The account's quota of this code; null where it is not known. */
type QuotaReader = (code: string) => Promise<number | null>;

/** Where calls and resources get their provider: it is named, or inherited from the parent. */
export interface WithProvider {
  readonly provider?: pulumi.ProviderResource;
  readonly parent?: pulumi.Resource;
}

/** `aws:profile` of the stack: an explicit provider does not read it by itself. */
export function awsProfile(): string | undefined {
  return new pulumi.Config("aws").get("profile");
}

/** One provider for all, with the tags of all. */
export function createProvider(
  name: string,
  { region, stack }: Pick<AwsPlan, "region" | "stack">,
  opts: pulumi.ResourceOptions = {},
): aws.Provider {
  const profile = awsProfile();
  return new aws.Provider(
    `${name}-aws`,
    {
      region: region as aws.Region,
      defaultTags: { tags: stackTags(stack) },
      // The provider repeats even "no capacity", 25 times by itself, which is most of an hour without a word.
      maxRetries: 5,
      ...(profile === undefined ? {} : { profile }),
    },
    opts,
  );
}

/** For all resources of a program: a component's have the provider of its program, or, without one, its own. */
export function optionsOf(
  { name, component }: Pick<ProgramContext, "name" | "component">,
  plan: Pick<AwsPlan, "region" | "stack">,
): WithProvider {
  if (component === undefined) return { provider: createProvider(name, plan) };
  const { parent } = component.opts;
  const of = parent ? { parent } : {};
  const given = parent?.getProvider("aws:index/provider:Provider");
  return given ? of : { ...of, provider: createProvider(name, plan, of) };
}

/**
 * Where a new volume goes: config, the given subnet's zone, or the choice of `chooseZone`. An existing volume stays where it
 * is, whatever is offered today; only a new one is refused, where no type of the list is, or no quota for its host.
 */
export function lookupPlacement(
  plan: AwsPlan,
  opts: WithProvider,
  limitOf: QuotaReader,
  { name, fixes }: { readonly name: string; readonly fixes: Fixes },
) {
  const { volume, network, host, region, stack, gpuMemoryMib } = plan;
  let refusal: string | null = null;
  let first = host.instanceType;
  let offered: OfferedTypes = { zone: "", types: null, otherZones: [] };
  const isAdopted = volume.existingVolumeId !== null;
  const given: pulumi.Output<string | null> =
    network.kind === "existing"
      ? aws.ec2.getSubnetOutput({ id: network.subnetId }, opts).availabilityZone
      : pulumi.output(volume.zone);
  const found = pulumi.output(lookupOfferings(typesToLookUp(host.launchTypes), opts));
  const facts = pulumi.all([given, found, availabilityZones(opts)]);
  const zone = facts.apply(([wanted, offers, zones]) => {
    if (isAdopted && wanted === null) return "";
    if (offers === null) return wanted ?? zones[0] ?? "";
    const request = { stack, region, types: host.launchTypes, zone: wanted, hasVolume: false, gpuMemoryMib };
    const choice = chooseZone(request, offers, zones);
    if (!("problem" in choice)) {
      if (!host.hasPinnedType) first = choice.types[0] ?? first;
      return choice.zone;
    }
    refusal = fixes.problem(choice.problem);
    return wanted ?? zones[0] ?? "";
  });
  /** The type to launch there: the pinned one, else the first of the list that the zone offers. */
  const typeIn = (of: pulumi.Output<string>) =>
    pulumi.all([of, facts]).apply(async ([there, [, offers, zones]]) => {
      const types = offers && host.launchTypes.filter((type) => offers[type]?.includes(there));
      const request = { types: host.launchTypes, zone: there };
      offered = { zone: there, types, otherZones: offers ? otherZones(request, offers, zones) : [] };
      const first = types?.[0];
      if (host.hasPinnedType || first === undefined || first === host.instanceType) return host.instanceType;
      const keep = fixes.set({ set: "pinnedInstanceType", value: first });
      await pulumi.log.info(`${there} offers no ${host.instanceType}: ${first} is launched. To keep it: ${keep}`);
      return first;
    });
  const beforeCreate = new pulumi.ResourceHook(
    hookName(name, "zone-offers-a-type"),
    async () => {
      const line = refusal ?? (await quotaRefusal(first, plan, limitOf));
      if (line !== null) throw new Error(line);
    },
    { onDryRun: true },
  );
  return { zone, beforeCreate, typeIn, offered: () => offered };
}

/** Asked when a volume is made alone, which is a first deployment. A self-healing group goes through the list by itself. */
async function quotaRefusal(type: string, { host, region }: AwsPlan, limitOf: QuotaReader): Promise<string | null> {
  const quota = vcpuQuota(type, host.purchaseOption);
  if (!quota || host.selfHealing) return null;
  return explainQuota({ type, market: host.purchaseOption }, await limitOf(quota.code), region);
}

/** Null, with a warning, where the credentials may not ask: then AWS tells at the launch. */
export async function lookupOfferings(types: readonly string[], opts: WithProvider): Promise<Offerings | null> {
  const filters = [{ name: "instance-type", values: [...types] }];
  try {
    const all = await aws.ec2.getInstanceTypeOfferings({ locationType: "availability-zone", filters }, opts);
    const rows = all.instanceTypes.map((type, index) => ({ type, zone: all.locations[index] ?? "" }));
    const zonesOf = (type: string) => rows.flatMap((row) => (row.type === type ? [row.zone] : []));
    return Object.fromEntries(types.map((type) => [type, zonesOf(type)]));
  } catch (error) {
    if (!DENIED.test(String(error))) throw error;
    await pulumi.log.warn(
      "Which zones offer the instanceTypes is not known. Fix: allow ec2:DescribeInstanceTypeOfferings",
    );
    return null;
  }
}

/** The region's zones, when a load balancer needs two of them. */
export function lookupAvailabilityZones({ network }: AwsPlan, opts: WithProvider): pulumi.Output<readonly string[]> {
  return network.kind === "own" && network.albCidrs.length > 0 ? availabilityZones(opts) : pulumi.output([]);
}

/** Local and Wavelength zones have no GPUs of these kinds. */
const ZONES = { state: "available", filters: [{ name: "opt-in-status", values: ["opt-in-not-required"] }] };

function availabilityZones(opts: WithProvider): pulumi.Output<string[]> {
  return aws.getAvailabilityZonesOutput(ZONES, opts).names;
}

/** All zones of the region, before anything is made of them. */
export async function lookupZones(opts: WithProvider): Promise<readonly string[]> {
  return (await aws.getAvailabilityZones(ZONES, opts)).names;
}

/** Existing subnets, before anything is made in them. */
export async function lookupSubnets(ids: readonly string[], opts: WithProvider): Promise<readonly SubnetFacts[]> {
  const found = await Promise.all(ids.map((id) => aws.ec2.getSubnet({ id }, opts)));
  return found.map(({ id, availabilityZone, mapPublicIpOnLaunch }) => ({
    id,
    zone: availabilityZone,
    isPublic: mapPublicIpOnLaunch,
  }));
}

/** The pinned image, or the newest: which counts for a host's first start alone. */
export function lookupAmi({ host }: Pick<AwsPlan, "host">, opts: WithProvider): pulumi.Output<string> {
  if (host.amiId !== null) return pulumi.output(host.amiId);
  // The provider takes every parameter's value for a secret.
  return pulumi.unsecret(aws.ssm.getParameterOutput({ name: host.amiParameter }, opts).value);
}

/** Says in one line why there is no host; a retry is left to the user. */
export function launchErrorHook(
  plan: AwsHostPlan,
  offered: () => OfferedTypes,
  fixes: Fixes,
  name: string = SERVICE_NAME,
): pulumi.ErrorHook {
  return new pulumi.ErrorHook(hookName(name, "capacity-refused"), async ({ errors }) => {
    const line = explainLaunchError(errors, plan, offered(), fixes);
    if (line !== null) await pulumi.log.error(line);
    return false;
  });
}
