/** The program on AWS. In: settings. Out: outputs, once the host is ready. One call a stage. */

import type { AwsSettings } from "../config/aws/settings.ts";
import { wordForPulumi } from "../config/problem.ts";
import { UserError } from "../errors.ts";
import { showBuildHistory } from "../io/build-history.ts";
import { readManifest } from "../io/manifests.ts";
import { quotaReader } from "../io/quota.ts";
import { ssmDeps } from "../io/ssm-probe.ts";
import { instanceTypeProblems, makeAwsPlan, modelProblems, updateProblems } from "../plan/aws/plan.ts";
import type { ProgramContext } from "../program-context.ts";
import { hostGate } from "../readiness/host-gate.ts";
import { AwsHost } from "./host/aws-host.ts";
import { RegistryImage } from "./image/registry-image.ts";
import { LoadBalancer } from "./load-balancer.ts";
import {
  awsProfile,
  createProvider,
  launchErrorHook,
  lookupAmi,
  lookupAvailabilityZones,
  lookupPlacement,
} from "./lookups.ts";
import { AwsNetwork } from "./network/network.ts";
import { type AwsOutputs, awsOutputs } from "./outputs.ts";
import { DataVolume } from "./volume/data-volume.ts";
import { SnapshotSchedule } from "./volume/snapshot-schedule.ts";

export function aws(settings: AwsSettings, { name, stack, preview, secrets, report }: ProgramContext): AwsOutputs {
  const manifest = readManifest(settings.modelId);
  const plan = makeAwsPlan(settings, manifest, stack);
  const problems = [
    ...instanceTypeProblems(plan),
    ...modelProblems(settings, plan, manifest),
    ...(preview ? [] : updateProblems(settings)),
  ];
  if (problems.length > 0) throw new UserError(problems.map(wordForPulumi));
  const opts = { provider: createProvider(name, plan) };

  const onError = showBuildHistory(plan.image);
  const image = new RegistryImage(name, { plan: plan.image, hfToken: secrets.hfToken, onError }, opts);
  const account = { region: plan.region, profile: awsProfile() };
  const place = lookupPlacement(plan, opts, quotaReader(account));
  const cache = new DataVolume(name, { plan: plan.volume, stack, ...place }, opts);
  if (plan.snapshots) new SnapshotSchedule(name, { plan: plan.snapshots, volumeId: cache.volumeId }, opts);
  const where = { region: plan.region, zone: cache.availabilityZone, zones: lookupAvailabilityZones(plan, opts) };
  const network = new AwsNetwork(name, { plan: plan.network, ...where }, opts);
  const loadBalancer = plan.loadBalancer && new LoadBalancer(name, { plan: plan.loadBalancer, network }, opts);
  const host = new AwsHost(
    name,
    {
      plan: plan.host,
      deployment: plan.deployment,
      image,
      volume: cache,
      network,
      amiId: lookupAmi(plan, opts),
      instanceType: place.typeIn(cache.availabilityZone),
      loadBalancer,
      onLaunchError: launchErrorHook(plan.host, place.offered),
    },
    opts,
  );
  const deps = ssmDeps(account, report);
  const ready = hostGate({ plan: plan.readiness, host, preview, deps });

  return awsOutputs(plan, { image, cache, host, loadBalancer, ready, preview });
}
