import type { CommonSettings, LocalSettings } from "../config/settings.ts";
import {
  cacheEnvironment,
  DATA_PATH,
  DRAIN_SECONDS,
  DRAIN_VARIABLE,
  HARDENING,
  MODEL_VARIABLES,
  SERVICE_PORT,
  STOP_SECONDS,
} from "../contract.ts";

/** Where a model is kept. */
export interface CachePlan {
  readonly volumeName: string;
  readonly mountPath: string;
  /** Whether the volume outlives the stack. */
  readonly retain: boolean;
}

/** The volume is there in baked mode too: so changing the mode never deletes a downloaded model. */
export function planCache({ volumeName, onDestroy }: LocalSettings): CachePlan {
  return { volumeName, mountPath: DATA_PATH, retain: onDestroy === "retain" };
}

/** The container that runs the service: everything but its image, its volume's existence and its secrets. */
export interface HostPlan {
  readonly containerName: string;
  readonly port: { readonly bindAddress: string; readonly external: number; readonly internal: number };
  readonly environment: Readonly<Record<string, string>>;
  readonly volume: { readonly name: string; readonly path: string };
  readonly healthCheck: HealthCheck;
  /** Numeric, so that the container's host needs no such user. */
  readonly user: string;
  /** Writable places beside the volume, with their mount options. */
  readonly tmpfs: Readonly<Record<string, string>>;
  readonly capabilitiesDropped: readonly string[];
  readonly securityOptions: readonly string[];
  readonly gpus: "all" | null;
  readonly memoryMb: number | null;
  /** Seconds in which a picture in the making is finished before the container is killed. */
  readonly stopSeconds: number;
  readonly log: { readonly driver: string; readonly options: Readonly<Record<string, string>> };
}

/** Docker's own check; it colours `docker ps`, and decides nothing: the health stage does. */
export interface HealthCheck {
  readonly test: readonly string[];
  readonly intervalSeconds: number;
  readonly timeoutSeconds: number;
  readonly retries: number;
  readonly startPeriodSeconds: number;
}

export function planHost(settings: LocalSettings, cache: CachePlan, gpus: "all" | null): HostPlan {
  return {
    containerName: settings.containerName,
    port: { bindAddress: settings.bindAddress, external: settings.port, internal: SERVICE_PORT },
    environment: serviceEnvironment(settings),
    volume: { name: cache.volumeName, path: cache.mountPath },
    healthCheck: {
      test: ["CMD", "/opt/venv/bin/python", "-I", "-S", "/opt/image-gen/docker/healthcheck.py"],
      intervalSeconds: 5,
      timeoutSeconds: 5,
      retries: 3,
      // 7 GB on the slowest line; the same for every model, so that no other setting replaces the container.
      startPeriodSeconds: 2400,
    },
    ...HARDENING,
    gpus,
    memoryMb: settings.memoryMb,
    stopSeconds: STOP_SECONDS,
    log: { driver: "json-file", options: { "max-size": "10m", "max-file": "3" } },
  };
}

/** The variables that name the model and its hub; unset ones are absent. The build takes the same as arguments. */
export function modelEnvironment(settings: ModelSettings): Record<string, string> {
  const entries = MODEL_KEYS.map((key) => [MODEL_VARIABLES[key], settings[key]]);
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== null));
}

const MODEL_KEYS = ["modelId", "modelRevision", "vaeId", "hubEndpoint"] as const;
export type ModelSettings = Pick<CommonSettings, (typeof MODEL_KEYS)[number]>;

/** The environment that the service runs in, in a container on every target; without its secrets. */
export function serviceEnvironment(settings: ModelSettings): Record<string, string> {
  return {
    ...cacheEnvironment(),
    ...modelEnvironment(settings),
    [DRAIN_VARIABLE]: String(DRAIN_SECONDS),
  };
}
