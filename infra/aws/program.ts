/** The program on AWS. In: settings. Out: outputs, once the host is ready. One call a stage. */

import { READER_VARIABLE } from "../command-line.ts";
import type { AwsSettings } from "../config/aws/settings.ts";
import { UserError } from "../errors.ts";
import { showBuildHistory } from "../io/build-history.ts";
import { readManifest } from "../io/manifests.ts";
import { quotaReader } from "../io/quota.ts";
import { ssmDeps } from "../io/ssm-probe.ts";
import { instanceTypeProblems, makeAwsPlan, modelProblems, updateProblems } from "../plan/aws/plan.ts";
import { buildPlaces, type ProgramContext } from "../program-context.ts";
import { hostGate } from "../readiness/host-gate.ts";
import { createBudget } from "./budget.ts";
import { AwsHost } from "./host/aws-host.ts";
import { RegistryImage } from "./image/registry-image.ts";
import { LoadBalancer } from "./load-balancer.ts";
import {
  awsProfile,
  launchErrorHook,
  lookupAmi,
  lookupAvailabilityZones,
  lookupPlacement,
  optionsOf,
} from "./lookups.ts";
import { AwsNetwork } from "./network/network.ts";
import { type AwsOutputs, awsOutputs } from "./outputs.ts";
import { DataVolume } from "./volume/data-volume.ts";
import { SnapshotSchedule } from "./volume/snapshot-schedule.ts";

export function aws(settings: AwsSettings, context: ProgramContext): AwsOutputs {
  const { name, stack, preview, secrets, fixes, report } = context;
  const { manifests, context: sources, dockerfile } = buildPlaces(context);
  const manifest = readManifest(settings.modelId, manifests);
  const planned = makeAwsPlan(settings, manifest, stack);
  const plan = { ...planned, image: { ...planned.image, context: sources, dockerfile } };
  const problems = [
    ...instanceTypeProblems(plan),
    ...modelProblems(settings, plan, manifest),
    ...(preview ? [] : updateProblems(settings)),
  ];
  if (problems.length > 0) throw new UserError(problems.map(fixes.problem));
  const opts = optionsOf(context, plan);

  const onError = showBuildHistory(plan.image, name);
  const image = new RegistryImage(name, { plan: plan.image, hfToken: secrets.hfToken, onError }, opts);
  const account = { region: plan.region, profile: awsProfile() };
  const place = lookupPlacement(plan, opts, quotaReader(account), { name, fixes });
  const cache = new DataVolume(name, { plan: plan.volume, stack, fixes, ...place }, opts);
  if (plan.snapshots) new SnapshotSchedule(name, { plan: plan.snapshots, volumeId: cache.volumeId }, opts);
  if (plan.budget) createBudget(name, plan.budget, opts);
  const where = { region: plan.region, zone: cache.availabilityZone, zones: lookupAvailabilityZones(plan, opts) };
  const network = new AwsNetwork(name, { plan: plan.network, ...where }, opts);
  const environment = { ...plan.deployment.environment, [READER_VARIABLE]: fixes.serviceCommand };
  const loadBalancer = plan.loadBalancer && new LoadBalancer(name, { plan: plan.loadBalancer, network }, opts);
  const host = new AwsHost(
    name,
    {
      plan: plan.host,
      deployment: { ...plan.deployment, environment },
      fixes,
      image,
      volume: cache,
      network,
      amiId: lookupAmi(plan, opts),
      instanceType: place.typeIn(cache.availabilityZone),
      loadBalancer,
      onLaunchError: launchErrorHook(plan.host, place.offered, fixes, name),
    },
    opts,
  );
  const deps = ssmDeps(account, report);
  const ready = hostGate({ plan: plan.readiness, host, preview, deps, fixes });

  return awsOutputs(plan, { image, cache, host, loadBalancer, ready, preview });
}
