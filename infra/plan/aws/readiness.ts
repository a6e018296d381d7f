import type { AwsSettings } from "../../config/aws/settings.ts";
import {
  HEARTBEAT_TIMEOUT_SECONDS,
  MODEL_DIR_VARIABLE,
  parameterPrefix,
  READY_PATH,
  serviceUrl,
  statusParameter,
} from "../../contract.ts";
import { bytesToFetch, type Manifest, type ModelSize } from "../manifest.ts";
import { LOAD_TIMEOUT_SECONDS, modelNames, type ReadinessPlan, SERVICE_TIMEOUTS } from "../readiness.ts";
import { AWS_RATES } from "./startup.ts";

/** What counts as ready on AWS: the host's own status, recent and of this deployment. */
export interface AwsReadinessPlan extends ReadinessPlan {
  /** The stack's name. */
  readonly stack: string;
  /** Name of the parameter that the host writes. */
  readonly parameter: string;
  readonly heartbeatTimeoutSeconds: number;
}

/** From the instance's start to a container: boot, volume, and the host's first read of its deployment. */
const BOOT_TIMEOUT_SECONDS = 600;

export function planAwsReadiness(
  settings: AwsSettings,
  stack: string,
  manifest: Manifest | null,
  size: ModelSize,
  imageBytes: number,
): AwsReadinessPlan {
  const url = serviceUrl({ bindAddress: "127.0.0.1", port: settings.port });
  const fetchSeconds = settings.modelCache === "baked" ? 0 : bytesToFetch(size) / AWS_RATES.slowestBytesPerSecond;
  const pullSeconds = imageBytes / AWS_RATES.slowestPullBytesPerSecond;
  const timeout = BOOT_TIMEOUT_SECONDS + pullSeconds + fetchSeconds + LOAD_TIMEOUT_SECONDS;
  return {
    stack,
    parameter: statusParameter(parameterPrefix(stack)),
    url,
    readyUrl: `${url}${READY_PATH}`,
    models: modelNames(settings, manifest),
    ...(MODEL_DIR_VARIABLE in settings.environmentSecretArns ? { acceptsPath: true } : {}),
    device: "cuda",
    readyTimeoutSeconds: settings.readyTimeoutSeconds ?? Math.ceil(timeout),
    ...SERVICE_TIMEOUTS,
    // A host writes its status a minute after it boots, at the latest; a replaced one is stopped and detached first.
    noResponseTimeoutSeconds: 900,
    // Permissions and a volume may reach a new host late.
    hostErrorTimeoutSeconds: 120,
    heartbeatTimeoutSeconds: HEARTBEAT_TIMEOUT_SECONDS,
  };
}
