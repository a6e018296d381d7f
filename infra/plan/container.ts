import type { CommonSettings, LocalSettings } from "../config/settings.ts";
import {
  API_KEYS_PATH,
  CA_PATH,
  cacheEnvironment,
  DATA_PATH,
  DRAIN_SECONDS,
  DRAIN_VARIABLE,
  gpuEnvironment,
  HARDENING,
  HOST_CACHE_PATH,
  MIRROR_PATH,
  MODEL_VARIABLES,
  SERVICE_PORT,
  STOP_SECONDS,
} from "../contract.ts";
import { dockerGpus, type Gpus } from "./gpus.ts";
import {
  type EnvironmentSettings,
  mountedModel,
  type SecretVariable,
  secretVariables,
  settingsEnvironment,
} from "./service-environment.ts";

/** Where a model is kept. */
export interface CachePlan {
  /** A volume of Docker's, or the path of a folder of this machine. */
  readonly volumeName: string;
  readonly kind: "volume" | "bind";
  readonly mountPath: string;
  /** Whether the volume outlives the stack. */
  readonly retain: boolean;
}

/** The volume is there in baked mode too: so changing the mode never deletes a downloaded model. */
export function planCache({ volumeName, onDestroy }: LocalSettings): CachePlan {
  const kind = volumeName.startsWith("/") ? "bind" : "volume";
  return { volumeName, kind, mountPath: DATA_PATH, retain: onDestroy === "retain" };
}

/** The container that runs the service: everything but its image, its volume's existence and its secrets. */
export interface HostPlan extends ContainerPlan {
  readonly port: PublishedPort;
}

interface PublishedPort {
  readonly bindAddress: string;
  readonly external: number;
  readonly internal: number;
}

/** Any container from the service's image. */
export interface ContainerPlan {
  readonly containerName: string;
  /** Null: no port of this machine leads to it. */
  readonly port: PublishedPort | null;
  /** Null: the image's own, `image-gen serve`. */
  readonly command: readonly string[] | null;
  /** A network of Docker's; `bridge` is the one of every container. */
  readonly network: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly secrets: readonly SecretVariable[];
  readonly volume: { readonly name: string; readonly path: string; readonly kind: CachePlan["kind"] };
  /** Read-only. */
  readonly bindMounts: readonly BindMount[];
  readonly healthCheck: HealthCheck;
  /** Numeric, so that the container's host needs no such user. */
  readonly user: string;
  /** Writable places beside the volume, with their mount options. */
  readonly tmpfs: Readonly<Record<string, string>>;
  readonly capabilitiesDropped: readonly string[];
  readonly securityOptions: readonly string[];
  /** In Docker's words: `all`, or `device=` and ids. */
  readonly gpus: string | null;
  readonly memoryMb: number | null;
  /** Seconds in which a picture in the making is finished before the container is killed. */
  readonly stopSeconds: number;
  readonly log: { readonly driver: string; readonly options: Readonly<Record<string, string>> };
}

/** A file or folder of this machine, and where the service sees it. */
export interface BindMount {
  readonly source: string;
  readonly target: string;
}

/** Docker's own check; it colours `docker ps`, and decides nothing: the health stage does. */
export interface HealthCheck {
  readonly test: readonly string[];
  readonly intervalSeconds: number;
  readonly timeoutSeconds: number;
  readonly retries: number;
  readonly startPeriodSeconds: number;
}

export function planHost(settings: LocalSettings, cache: CachePlan, gpus: Gpus): HostPlan {
  const several = Array.isArray(gpus) && gpus.length > 1;
  return {
    containerName: settings.containerName,
    port: { bindAddress: settings.bindAddress, external: settings.port, internal: SERVICE_PORT },
    command: null,
    network: "bridge",
    environment: { ...serviceEnvironment(settings), ...(several ? gpuEnvironment(gpus) : {}) },
    secrets: secretVariables(settings),
    volume: { name: cache.volumeName, path: cache.mountPath, kind: cache.kind },
    bindMounts: bindMounts(settings),
    healthCheck: {
      test: ["CMD", "/opt/venv/bin/python", "-I", "-S", "/opt/image-gen/docker/healthcheck.py"],
      intervalSeconds: 5,
      timeoutSeconds: 5,
      retries: 3,
      // 7 GB on the slowest line; the same for every model, so that no other setting replaces the container.
      startPeriodSeconds: 2400,
    },
    ...HARDENING,
    user: settings.containerUser,
    // Of several ids the provider passes on the first, and a number of GPUs that contradicts it.
    gpus: dockerGpus(several ? "all" : gpus),
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
export function serviceEnvironment(settings: EnvironmentSettings): Record<string, string> {
  return {
    ...cacheEnvironment(),
    ...modelEnvironment(settings),
    [DRAIN_VARIABLE]: String(DRAIN_SECONDS),
    ...settingsEnvironment(settings, "container"),
  };
}

/** Files and folders of this machine that the service reads. */
export function bindMounts({
  caFile,
  apiKeysFile,
  hostCache,
  modelDir,
  modelMirror,
}: LocalSettings): readonly BindMount[] {
  const mirror = modelMirror?.startsWith("/") ? modelMirror : null;
  const mounts = [
    { source: caFile, target: CA_PATH },
    { source: apiKeysFile?.slice(0, apiKeysFile.lastIndexOf("/")) ?? null, target: API_KEYS_PATH },
    { source: hostCache, target: HOST_CACHE_PATH },
    { source: modelDir, target: mountedModel(modelDir ?? "") },
    { source: mirror, target: MIRROR_PATH },
  ];
  return mounts.filter((mount): mount is BindMount => mount.source !== null);
}
