import type { Plan } from "../../infra/plan/plan.ts";
import { BUILD_BYTES } from "../../infra/plan/room.ts";
import { RATES } from "../../infra/plan/startup.ts";
import { formatBytes, formatSeconds } from "../../infra/units.ts";

/** How big the model is, as far as that is known. */
export function modelSizeText({
  modelBytes,
  modelBytesSource,
  loraBytes,
}: Pick<Plan["startupEstimate"], "modelBytes" | "modelBytesSource" | "loraBytes">): string {
  const loras = loraBytes === 0 ? "" : `, and LoRAs of ${formatBytes(loraBytes)}, estimated`;
  if (modelBytesSource === "directory") return `a model of your own, size not known${loras}`;
  return `${formatBytes(modelBytes)}${modelBytesSource === "manifest" ? "" : ", estimated"}${loras}`;
}

/** The price that the stack passes to the service, which then measures what pictures cost. */
function costOf({ host }: Plan): string {
  const price = host.environment.IMAGE_GEN_USD_PER_HOUR;
  return price === undefined ? "none: this machine" : `${price} USD an hour; a running service says what pictures cost`;
}

/** What the times of starts are made from. */
function ratesText({ machine, warmUpSeconds }: Plan["startupEstimate"]): string {
  const first = `first picture ${formatSeconds(warmUpSeconds)}`;
  if (!machine) {
    const read = `${formatBytes(RATES.readBytesPerSecond)}/s from the disk`;
    return `assumed: ${read}, libraries ${RATES.importSeconds} s, ${first}; --measure measures this machine`;
  }
  const disk = machine.readBytesPerSecond === null ? "nothing" : `${formatBytes(machine.readBytesPerSecond)}/s`;
  const load = `${formatBytes(machine.loadBytesPerSecond)}/s to the device`;
  return `measured ${machine.at.slice(0, 10)}: ${disk} from the disk, ${load}, libraries ${formatSeconds(machine.importSeconds)}, ${first}`;
}

/** The plan of a stack on this machine, for people. */
export function planRows(plan: Plan): [string, string][] {
  const { modelId, image, host, cache, readiness, room, startupEstimate } = plan;
  const cached = BUILD_BYTES.downloads + BUILD_BYTES.packages;
  const size = modelSizeText(startupEstimate);
  const rate = formatBytes(startupEstimate.downloadBytesPerSecond);
  const download = startupEstimate.bytesToFetch > 0 ? `, to download ${formatBytes(startupEstimate.bytesToFetch)}` : "";
  return [
    ["model", `${modelId} (${size})`],
    ["device", readiness.device],
    ["image", `${image.name}, from ${image.buildArgs.BASE_IMAGE}`],
    ["container", `${host.containerName} at ${readiness.url}`],
    ["volume", `${cache.volumeName}${download}`],
    [
      "disk",
      `${formatBytes(room.bytes + room.assumedBytes)} before anything is there, ${formatBytes(cached)} of it a build cache`,
    ],
    ["first start", `${formatSeconds(startupEstimate.firstSeconds)} at ${rate}/s, after the image is built`],
    [
      "cached",
      `${formatSeconds(startupEstimate.cachedSeconds)}, a restart ${formatSeconds(startupEstimate.warmSeconds)}`,
    ],
    ["baked", formatSeconds(startupEstimate.bakedSeconds)],
    ["rates", ratesText(startupEstimate)],
    ["timeout", formatSeconds(readiness.readyTimeoutSeconds)],
    ["cost", costOf(plan)],
  ];
}
