import type { AwsSettings } from "../../config/aws/settings.ts";
import type { Manifest, ModelSize } from "../manifest.ts";
import { type HealthPlan, LOAD_BUDGET_SECONDS, modelNames } from "../readiness.ts";
import { AWS_RATES } from "./startup.ts";

/** What counts as ready on AWS: the host's own record says so, recently, of this deployment. */
export interface AwsHealthPlan extends HealthPlan {
  readonly region: string;
  /** Name of the parameter that the host writes. */
  readonly parameter: string;
  /** A record that was not renewed for this long is a host that is gone. */
  readonly staleSeconds: number;
}

/** From instance start to a container: boot, volume, and a host that was only just told. */
const BOOT_BUDGET_SECONDS = 600;
/** A host writes its record a minute after it boots, at the latest; replaced hosts are stopped and detached first. */
const SILENCE_SECONDS = 900;

export function planAwsHealth(
  settings: AwsSettings,
  stack: string,
  manifest: Manifest | null,
  size: ModelSize,
  imageBytes: number,
): AwsHealthPlan {
  const url = `http://127.0.0.1:${settings.port}`;
  const fetchSeconds = settings.modelCache === "baked" ? 0 : size.bytes / AWS_RATES.slowestBytesPerSecond;
  const pullSeconds = imageBytes / AWS_RATES.slowestPullBytesPerSecond;
  const budget = BOOT_BUDGET_SECONDS + pullSeconds + fetchSeconds + LOAD_BUDGET_SECONDS;
  return {
    region: settings.region,
    parameter: `/imagegen/${stack}/ready`,
    url,
    readyUrl: `${url}/readyz`,
    models: modelNames(settings.modelId, manifest),
    device: "cuda",
    budgetSeconds: settings.readyTimeoutSeconds ?? Math.ceil(budget),
    pollSeconds: 5,
    silenceSeconds: SILENCE_SECONDS,
    patienceSeconds: 120,
    staleSeconds: 180,
  };
}
