/** The program on this machine's Docker. In: settings. Out: outputs, once the service is ready. One call a stage. */

import type { LocalSettings } from "../config/settings.ts";
import { hashBuildContext } from "../io/build-context.ts";
import { buildTokenFile, prepareBuildLog, showBuildLog } from "../io/build-files.ts";
import { containerReport, systemDeps } from "../io/docker-probe.ts";
import { detectGpu } from "../io/local-gpu.ts";
import { readManifest } from "../io/manifests.ts";
import { makePlan } from "../plan/plan.ts";
import type { ProgramContext } from "../program-context.ts";
import { readyGate } from "../readiness/docker-gate.ts";
import { DockerHost } from "./container.ts";
import { ServingImage } from "./image.ts";
import { type LocalOutputs, localOutputs } from "./outputs.ts";
import { ModelVolume } from "./volume.ts";

export function local(settings: LocalSettings, { name, preview, secrets, report }: ProgramContext): LocalOutputs {
  const plan = makePlan(settings, readManifest(settings.modelId), detectGpu());
  prepareBuildLog(plan.image, preview);

  const image = new ServingImage(name, {
    plan: plan.image,
    contextHash: hashBuildContext(plan.image),
    tokenFile: buildTokenFile(plan.image, secrets.hfToken, preview),
    onError: showBuildLog(plan.image),
  });
  const cache = new ModelVolume(name, { plan: plan.cache });
  const host = new DockerHost(name, { plan: plan.host, imageId: image.imageId, volumeName: cache.volumeName, secrets });
  const ready = readyGate({
    plan: plan.readiness,
    ...plan.host,
    containerId: host.containerId,
    preview,
    deps: systemDeps(report),
    containerReport,
  });

  return localOutputs(plan, { image, cache, host, ready });
}
