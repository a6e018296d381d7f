import type { Plan } from "../../infra/plan/plan.ts";
import { RATES } from "../../infra/plan/startup.ts";
import { formatBytes, formatSeconds } from "../../infra/units.ts";

/** The plan of a stack on this machine, for people. */
export function planRows({ modelId, image, host, cache, readiness, startupEstimate }: Plan): [string, string][] {
  const size = `${formatBytes(startupEstimate.modelBytes)}${startupEstimate.modelBytesSource === "manifest" ? "" : ", estimated"}`;
  const rate = formatBytes(RATES.downloadBytesPerSecond);
  const download = startupEstimate.bytesToFetch > 0 ? `, to download ${formatBytes(startupEstimate.bytesToFetch)}` : "";
  return [
    ["model", `${modelId} (${size})`],
    ["device", readiness.device],
    ["image", `${image.name}, from ${image.buildArgs.BASE_IMAGE}`],
    ["container", `${host.containerName} at ${readiness.url}`],
    ["volume", `${cache.volumeName}${download}`],
    ["first start", `${formatSeconds(startupEstimate.firstSeconds)} at ${rate}/s, after the image is built`],
    ["cached", formatSeconds(startupEstimate.cachedSeconds)],
    ["baked", formatSeconds(startupEstimate.bakedSeconds)],
    ["timeout", formatSeconds(readiness.readyTimeoutSeconds)],
    ["cost", "none: this machine"],
  ];
}
