/** The program on this machine's Docker. In: settings. Out: outputs, once the service is ready. One call a stage. */

import type { LocalSettings } from "../config/settings.ts";
import { UserError } from "../errors.ts";
import { hashBuildContext, imageContent } from "../io/build-context.ts";
import { buildSecretFiles, prepareBuildLog, showBuildLog } from "../io/build-files.ts";
import { followBuild } from "../io/build-progress.ts";
import { foreignImage, identifyImage } from "../io/built-image.ts";
import { explainContainerError } from "../io/container-error.ts";
import { containerReport, systemDeps } from "../io/docker-probe.ts";
import { pathFacts } from "../io/host-paths.ts";
import { detectGpu } from "../io/local-gpu.ts";
import { readManifest } from "../io/manifests.ts";
import { hostPathProblems } from "../plan/host-paths.ts";
import { contentTag, extraTags } from "../plan/image-tags.ts";
import { ownerLabels } from "../plan/owner.ts";
import { makePlan } from "../plan/plan.ts";
import { containerReader } from "../plan/reader.ts";
import { buildPlaces, type ProgramContext } from "../program-context.ts";
import { readyGate } from "../readiness/docker-gate.ts";
import { DockerHost } from "./container.ts";
import { ServingImage } from "./image.ts";
import { LocalFleet } from "./local-fleet.ts";
import { type LocalOutputs, localOutputs } from "./outputs.ts";
import { ModelVolume } from "./volume.ts";

export function local(settings: LocalSettings, context: ProgramContext): LocalOutputs {
  const { name, stack, checkout, preview, secrets, fixes, report, component } = context;
  const { manifests, secretsFolder, ...places } = buildPlaces(context);
  const opts = component?.opts ?? {};
  const problems = hostPathProblems(settings, (path) => pathFacts(path));
  if (problems.length > 0) throw new UserError(problems.map(fixes.problem));
  const planned = makePlan(settings, readManifest(settings.modelId, manifests), detectGpu());
  const plan = { ...planned, image: { ...planned.image, ...places } };
  prepareBuildLog(plan.image, preview);
  const content = imageContent(plan.image, hashBuildContext(plan.image));
  const built = { tag: contentTag(plan.image, content), content };

  const build = {
    plan: plan.image,
    content,
    extraTags: extraTags(settings, plan.image, stack),
    foreign: foreignImage(built),
    identify: (found: string) => identifyImage(found, built, preview),
    secretFiles: buildSecretFiles(plan.image, secrets, preview, secretsFolder),
    onError: showBuildLog(plan.image, name),
  };
  const image = new ServingImage(name, build, opts);
  const stopFollowing = preview ? () => {} : followBuild(plan.image, report);
  image.imageName.apply(stopFollowing);
  const cache = new ModelVolume(name, { plan: plan.cache }, opts);
  const container = {
    plan: plan.host,
    imageId: image.imageId,
    volumeName: cache.volumeName,
    labels: ownerLabels(component?.owner ?? { stack, checkout }),
    reader: containerReader(fixes.serviceCommand, plan.host),
    onError: explainContainerError(plan.host, fixes, name),
    secrets,
  };
  const host = plan.fleet
    ? new LocalFleet(name, { ...container, plan: plan.fleet }, opts)
    : new DockerHost(name, container, opts);
  const ready = readyGate({
    plan: plan.readiness,
    fixes,
    containerName: plan.host.containerName,
    containerId: host.containerId,
    preview,
    deps: systemDeps(report),
    containerReport,
  });

  return localOutputs(plan, { image, cache, host, ready, preview });
}
