import type { AwsSettings } from "../../config/aws/settings.ts";
import { API_KEY_VARIABLE, STOP_SECONDS, TOKEN_VARIABLE } from "../../contract.ts";
import { serviceEnvironment } from "../container.ts";

/** What the host is to run, but for the image: the host reads it from a parameter and restarts only the container. */
export interface AwsDeploymentPlan {
  readonly environment: Readonly<Record<string, string>>;
  /** Names of the environment whose values are secrets, with the secret's ARN. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly gpus: "all" | null;
  readonly stopSeconds: number;
}

export function planDeployment(settings: AwsSettings): AwsDeploymentPlan {
  const { hfTokenSecretArn, apiKeySecretArn, modelMirror, network } = settings;
  return {
    environment: {
      ...serviceEnvironment(settings),
      ...(modelMirror === null ? {} : { IMAGE_GEN_MIRROR: modelMirror }),
      // No hub can be reached: fail at once, not after its time-outs.
      ...(network === "endpoints-only" && modelMirror === null ? { HF_HUB_OFFLINE: "1" } : {}),
    },
    secrets: {
      ...(hfTokenSecretArn === null ? {} : { [TOKEN_VARIABLE]: hfTokenSecretArn }),
      ...(apiKeySecretArn === null ? {} : { [API_KEY_VARIABLE]: apiKeySecretArn }),
    },
    gpus: "all",
    stopSeconds: STOP_SECONDS,
  };
}
