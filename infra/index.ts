/**
 * The program: config → plan → image → cache → host → health → outputs, one call a stage.
 * The only file that knows them all, and the only one that hands the outside world to them.
 */
import * as pulumi from "@pulumi/pulumi";
import { hashBuildContext } from "./build-context.ts";
import { buildTokenFile, prepareBuildLog, showBuildLog } from "./build-files.ts";
import { ModelVolume } from "./cache/model-volume.ts";
import { loadConfig } from "./config/load.ts";
import { readyGate } from "./health/gate.ts";
import { DockerHost } from "./host/docker-host.ts";
import { ServingImage } from "./image/serving-image.ts";
import { readMachine } from "./machine.ts";
import { readManifest } from "./manifests.ts";
import { stackOutputs } from "./outputs/stack-outputs.ts";
import { makePlan } from "./plan/plan.ts";
import { containerReport, realWorld } from "./world.ts";

const name = "image-gen";
const preview = pulumi.runtime.isDryRun();
const world = realWorld((line) => void pulumi.log.info(line, undefined, undefined, true));

const { settings, hfToken } = loadConfig();
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
  world,
  containerReport,
});

export const {
  url,
  readyUrl,
  target,
  modelId,
  modelCache,
  imageName,
  imageId,
  containerName,
  volumeName,
  device,
  modelSource,
} = stackOutputs(plan, { image, cache, host, ready });
