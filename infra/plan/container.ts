import type { CommonSettings, LocalSettings } from "../config/settings.ts";
import type { CachePlan } from "./cache.ts";

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

/** The port inside the container is part of the contract; the one on this machine is config. */
export const SERVICE_PORT = 8000;
export const READY_PATH = "/readyz";

/** What a picture in the making has to be finished in, and what Docker adds before it kills. */
const DRAIN_SECONDS = 50;
export const STOP_SECONDS = 60;

export function planHost(settings: LocalSettings, cache: CachePlan, gpus: "all" | null): HostPlan {
  return {
    containerName: settings.containerName,
    port: { bindAddress: settings.bindAddress, external: settings.port, internal: SERVICE_PORT },
    environment: serviceEnvironment(settings, cache.environment),
    volume: { name: cache.volumeName, path: cache.mountPath },
    healthCheck: {
      test: ["CMD", "/opt/venv/bin/python", "-I", "-S", "/opt/image-gen/docker/healthcheck.py"],
      intervalSeconds: 5,
      timeoutSeconds: 5,
      retries: 3,
      // 7 GB on the slowest line; the same for every model, so that no other setting replaces the container.
      startPeriodSeconds: 2400,
    },
    user: "10001:10001",
    tmpfs: { "/tmp": "size=1g,mode=1777" },
    capabilitiesDropped: ["ALL"],
    securityOptions: ["no-new-privileges:true"],
    gpus,
    memoryMb: settings.memoryMb,
    stopSeconds: STOP_SECONDS,
    log: { driver: "json-file", options: { "max-size": "10m", "max-file": "3" } },
  };
}

/** The environment that the service runs in, wherever it does; without its secrets. */
export function serviceEnvironment(
  { modelId, modelRevision, vaeId, hubEndpoint }: CommonSettings,
  cacheEnvironment: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    ...cacheEnvironment,
    MODEL_ID: modelId,
    ...(modelRevision === null ? {} : { MODEL_REVISION: modelRevision }),
    ...(vaeId === null ? {} : { VAE_ID: vaeId }),
    ...(hubEndpoint === null ? {} : { HF_ENDPOINT: hubEndpoint }),
    IMAGE_GEN_DRAIN_TIMEOUT: String(DRAIN_SECONDS),
  };
}
