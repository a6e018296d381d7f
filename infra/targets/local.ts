/** The program on this machine's Docker. In: settings. Out: outputs, once the service is ready. One call a stage. */
import { hashBuildContext } from "../build-context.ts";
import { buildTokenFile, prepareBuildLog, showBuildLog } from "../build-files.ts";
import { ModelVolume } from "../cache/model-volume.ts";
import type { LocalSettings } from "../config/settings.ts";
import { readyGate } from "../health/gate.ts";
import { DockerHost } from "../host/docker-host.ts";
import { ServingImage } from "../image/serving-image.ts";
import { readMachine } from "../machine.ts";
import { readManifest } from "../manifests.ts";
import { localOutputs } from "../outputs/local-outputs.ts";
import type { ServiceOutputs } from "../outputs/service-outputs.ts";
import { makePlan } from "../plan/plan.ts";
import { containerReport, realWorld } from "../world.ts";
import type { Context } from "./context.ts";

export function local(settings: LocalSettings, { name, preview, hfToken, report }: Context): ServiceOutputs<"local"> {
  const plan = makePlan(settings, readManifest(settings.modelId), readMachine());
  prepareBuildLog(plan.image, preview);

  const image = new ServingImage(name, {
    plan: plan.image,
    contextHash: hashBuildContext(plan.image),
    tokenFile: buildTokenFile(plan.image, hfToken, preview),
    onError: showBuildLog(plan.image),
  });
  const cache = new ModelVolume(name, { plan: plan.cache });
  const host = new DockerHost(name, { plan: plan.host, imageId: image.imageId, volumeName: cache.volumeName, hfToken });
  const ready = readyGate({
    plan: plan.health,
    ...plan.host,
    containerId: host.containerId,
    preview,
    world: realWorld(report),
    containerReport,
  });

  return localOutputs(plan, { image, cache, host, ready });
}
