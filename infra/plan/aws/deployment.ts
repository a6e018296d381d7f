import { imagegenReader } from "../../command-line.ts";
import type { AwsSettings } from "../../config/aws/settings.ts";
import {
  API_KEY_VARIABLE,
  INSTANCE_STORE_PATH,
  INSTANCE_STORE_VARIABLE,
  OFFLINE_VARIABLE,
  STOP_SECONDS,
  TOKEN_VARIABLE,
} from "../../contract.ts";
import { serviceEnvironment } from "../container.ts";
import { dockerGpus, planGpus } from "../gpus.ts";

/** What the host is to run, but for the image: the host reads it from a parameter and restarts only the container. */
export interface AwsDeploymentPlan {
  readonly environment: Readonly<Record<string, string>>;
  /** Names of the environment whose values are secrets, with the secret's ARN. */
  readonly secrets: Readonly<Record<string, string>>;
  /** The value of Docker's option `--gpus`; null: none. */
  readonly gpus: string | null;
  readonly stopSeconds: number;
  /** What the container runs in place of its image's own command; absent: that one. */
  readonly command?: readonly string[];
}

export function planDeployment(settings: AwsSettings, stack: string): AwsDeploymentPlan {
  const { modelMirror, network, instanceStoreCache } = settings;
  const gpus = dockerGpus(planGpus(settings.gpu, true));
  return {
    environment: {
      ...serviceEnvironment(settings),
      ...imagegenReader(stack),
      ...(instanceStoreCache ? { [INSTANCE_STORE_VARIABLE]: INSTANCE_STORE_PATH } : {}),
      // No hub can be reached: fail at once, not after its time-outs.
      ...(network === "endpoints-only" && modelMirror === null ? { [OFFLINE_VARIABLE]: "1" } : {}),
    },
    secrets: planSecrets(settings),
    // A comma ends a field there, unless there are quotes.
    gpus: gpus?.includes(",") ? `"${gpus}"` : gpus,
    stopSeconds: STOP_SECONDS,
  };
}

function planSecrets({
  hfTokenSecretArn,
  apiKeySecretArn,
  environmentSecretArns,
}: AwsSettings): Readonly<Record<string, string>> {
  return {
    ...(hfTokenSecretArn === null ? {} : { [TOKEN_VARIABLE]: hfTokenSecretArn }),
    ...(apiKeySecretArn === null ? {} : { [API_KEY_VARIABLE]: apiKeySecretArn }),
    ...environmentSecretArns,
  };
}

/** The secrets that the host reads. */
export const secretArns = (settings: AwsSettings): readonly string[] => [
  ...new Set(Object.values(planSecrets(settings))),
];
