/**
 * Every variable that the service reads, the key that sets it, and the ways in which a service is started that do not pass it, each
 * with its reason. Documents and tests are made from it, and `imagegen up` takes a shell's variables by it.
 */
import {
  API_KEY_VARIABLE,
  API_KEYS_FILE_VARIABLE,
  CA_VARIABLE,
  cacheEnvironment,
  DRAIN_VARIABLE,
  GPU_VARIABLE,
  HOST_CACHE_VARIABLE,
  INSTANCE_STORE_VARIABLE,
  MIRROR_VARIABLE,
  MODEL_DIR_VARIABLE,
  MODEL_VARIABLES,
  OFFLINE_VARIABLE,
  TOKEN_VARIABLE,
} from "../contract.ts";

/** How a service is started: by `imagegen up` as a process, by the program on Docker or on AWS, by Compose. */
export const WAYS_IN = ["process", "docker", "compose", "aws"] as const;
export type WayIn = (typeof WAYS_IN)[number];

export interface ServiceVariable {
  readonly name: string;
  /** The key of a stack that sets it. A variable without one is passed by the key `environment`. */
  readonly key?: string;
  /** Set by the program itself: why `environment` can't change it. */
  readonly fixed?: string;
  /** The variable that stands for it. */
  readonly sameAs?: string;
  /** Ways in that do not pass it. */
  readonly not?: Readonly<Partial<Record<WayIn, string>>>;
}

const keyed = (name: string, key: string, not?: ServiceVariable["not"]): ServiceVariable => ({
  name,
  key,
  ...(not ? { not } : {}),
});
const everywhere = (reason: string) => Object.fromEntries(WAYS_IN.map((way) => [way, reason]));
const inContainers = (reason: string) => ({ docker: reason, compose: reason, aws: reason });

const IN_CONTAINER = "the address and port inside the container, which `bindAddress` and `port` publish";
const ON_VOLUME = "the volume is mounted there";
const SAME = (name: string) => `another name of \`${name}\`, which is set`;
const IN_IMAGE = "a directory of the image, which says where it is";
const NO_STORE = "only a host on AWS has an instance store";
const HOST_ROLE = "a host on AWS has these from its role, and other secrets by `environmentSecretArns`";

export const SERVICE_VARIABLES: readonly ServiceVariable[] = [
  keyed(MODEL_VARIABLES.modelId, "modelId"),
  keyed(MODEL_VARIABLES.modelRevision, "modelRevision"),
  keyed(MODEL_VARIABLES.vaeId, "vaeId"),
  keyed(MODEL_VARIABLES.hubEndpoint, "hubEndpoint"),
  keyed(MODEL_DIR_VARIABLE, "modelDir", {
    aws: "a host has no directory of this machine; `environment` may name one of the host's volume",
  }),
  { name: "HOST", fixed: IN_CONTAINER, not: inContainers(IN_CONTAINER) },
  { name: "PORT", fixed: IN_CONTAINER, not: inContainers(IN_CONTAINER) },
  { name: "IMAGE_GEN_DEVICE" },
  { name: "IMAGE_GEN_OFFLOAD" },
  keyed("IMAGE_GEN_DTYPE", "dtype"),
  keyed("IMAGE_GEN_QUEUE_LIMIT", "queueLimit"),
  keyed("IMAGE_GEN_REQUEST_TIMEOUT", "requestTimeoutSeconds"),
  {
    name: DRAIN_VARIABLE,
    fixed: "it must be less than the time after which the container is killed",
    not: { process: "a process that is stopped has as long as the service's own default" },
  },
  keyed("IMAGE_GEN_LOG_FORMAT", "logFormat"),
  keyed("IMAGE_GEN_WARMUP_SIZE", "warmupSize"),
  keyed("IMAGE_GEN_MAX_SIZE", "maxSize"),
  keyed("IMAGE_GEN_MAX_IMAGES", "maxImages"),
  keyed("IMAGE_GEN_ENGINES", "engines"),
  keyed("IMAGE_GEN_JOBS", "jobs"),
  keyed("IMAGE_GEN_JOBS_KEEP", "jobsKeepSeconds"),
  keyed("IMAGE_GEN_JOBS_LIMIT", "jobsLimit"),
  keyed("IMAGE_GEN_JOBS_MAX_MB", "jobsMaxMb"),
  keyed("IMAGE_GEN_PICTURE_URL_SECONDS", "pictureUrlSeconds"),
  keyed("IMAGE_GEN_USD_PER_HOUR", "usdPerHour"),
  { name: "IMAGE_GEN_WEBHOOK_PRIVATE" },
  { name: "IMAGE_GEN_WEBHOOK_SECRET", not: { aws: "it is a secret, which `environmentSecretArns` passes there" } },
  keyed("IMAGE_GEN_LORAS", "loras"),
  { name: "IMAGE_GEN_FEW_STEPS" },
  keyed("IMAGE_GEN_SAFETY_CHECKER", "safetyChecker"),
  keyed("IMAGE_GEN_VERIFY", "verify"),
  keyed("IMAGE_GEN_COMPILE", "compile"),
  { name: "IMAGE_GEN_COMPILE_CACHE" },
  keyed("IMAGE_GEN_ENGINE_OPTIONS", "engineOptions"),
  keyed(API_KEY_VARIABLE, "apiKey"),
  keyed(API_KEYS_FILE_VARIABLE, "apiKeysFile", {
    aws: "a host has no file of this machine; the secret of `apiKeySecretArn` may hold several keys",
  }),
  keyed("IMAGE_GEN_ALLOWED_HOSTS", "allowedHosts"),
  keyed("IMAGE_GEN_CORS_ORIGINS", "corsOrigins"),
  keyed(
    GPU_VARIABLE,
    "gpu",
    inContainers("the engine gives the container its GPUs; for several in Docker, the stack sets it"),
  ),
  ...Object.keys(cacheEnvironment()).map((name) => ({ name, fixed: ON_VOLUME })),
  { name: "HUGGINGFACE_HUB_CACHE", fixed: ON_VOLUME, sameAs: "HF_HUB_CACHE", not: everywhere(SAME("HF_HUB_CACHE")) },
  keyed(HOST_CACHE_VARIABLE, "hostCache", {
    aws: "a new host has no cache; `volumeSnapshotId` and `modelMirror` fill one",
  }),
  {
    name: INSTANCE_STORE_VARIABLE,
    fixed: "it is where the host mounts its disk, and the key `instanceStoreCache` sets it",
    not: { process: NO_STORE, docker: NO_STORE, compose: NO_STORE, aws: "only with the key `instanceStoreCache`" },
  },
  keyed(CA_VARIABLE, "caFile", {
    aws: "a host has no file of this machine; certificate authorities belong in `baseImage`, and `environment` may name their file there",
  }),
  ...["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"].map((name) => ({
    name,
    key: "caFile",
    sameAs: CA_VARIABLE,
    not: everywhere(SAME(CA_VARIABLE)),
  })),
  { name: "SSL_CERT_DIR", not: { compose: "a directory; `compose.ca.yaml` takes one file with all authorities" } },
  { name: "IMAGE_GEN_MANIFESTS" },
  { name: "IMAGE_GEN_BAKED_DIR", fixed: IN_IMAGE, not: inContainers(IN_IMAGE) },
  keyed(TOKEN_VARIABLE, "hfToken"),
  {
    name: "HF_TOKEN_PATH",
    key: "hfToken",
    sameAs: TOKEN_VARIABLE,
    not: inContainers(`a file of this machine; what is in it is passed as \`${TOKEN_VARIABLE}\``),
  },
  {
    name: "HUGGING_FACE_HUB_TOKEN",
    key: "hfToken",
    sameAs: TOKEN_VARIABLE,
    not: everywhere(SAME(TOKEN_VARIABLE)),
  },
  keyed(OFFLINE_VARIABLE, "offline"),
  keyed(MIRROR_VARIABLE, "modelMirror"),
  ...["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"].map((name) => ({
    name,
    not: { aws: HOST_ROLE },
  })),
  ...[
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
  ].map((name) => ({ name })),
  ...[
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SERVICE_NAME",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
  ].map((name) => ({ name })),
  { name: "OTEL_EXPORTER_OTLP_HEADERS", not: { aws: "it holds a secret, which `environmentSecretArns` passes there" } },
  keyed("HF_HUB_DOWNLOAD_TIMEOUT", "downloadTimeoutSeconds"),
  keyed("HTTPS_PROXY", "httpsProxy"),
  keyed("HTTP_PROXY", "httpProxy"),
  // For both keys where they are unset, which only the shell of `imagegen up` can tell.
  { name: "ALL_PROXY" },
  keyed("NO_PROXY", "noProxy"),
];

/** What `imagegen up` takes the key `environment` from: a map of variables, for those that have no key of their own. */
export const MAP_VARIABLE = "IMAGEGEN_ENVIRONMENT";

/** The variable of a shell that `imagegen up` takes a key from. */
export const shellVariableOf = (key: string): string => (key === "environment" ? MAP_VARIABLE : variableOf(key));

/** The variable that a key sets. */
export function variableOf(key: string): string {
  return SERVICE_VARIABLES.find((each) => each.key === key)?.name ?? "";
}

/** Whether the service, or a library of its, reads the variable. Proxies are spelled in small letters, too. */
export function isServiceVariable(name: string): boolean {
  const known = SERVICE_VARIABLES.some((each) => each.name === name || each.name === name.toUpperCase());
  return known || name.startsWith("IMAGE_GEN_") || /^all_proxy$/i.test(name);
}
