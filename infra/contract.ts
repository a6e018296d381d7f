/**
 * Every name and number that two sides must agree on: the program, the command, the policy pack, the host's scripts (by
 * `contract.env`), and, held to it by tests, Compose, the Dockerfile, Pulumi.yaml and the Python service.
 * Plain data and pure functions of it. Imports nothing.
 */

export const PROJECT = "Picture-Perfect-Challenge";
export const DEFAULT_STACK = "local";
/** In place of every secret of a stack that is previewed by unreviewed code. */
export const SECRET_PLACEHOLDER = "secret-that-previews-do-not-have";
export const SERVICE_NAME = "image-gen";
export const CONTAINER_NAME = "image-game-image-gen";
export const VOLUME_NAME = "Picture-Perfect-Challenge_image_data";
export const LOG_PREFIX = "[image-gen] ";

export const DEFAULT_MODEL_ID = "stabilityai/stable-diffusion-xl-base-1.0";
/** What config and `MODEL_ID` call the demo model, and the id that the service reports for it. */
export const DEMO_MODEL = "demo";
export const DEMO_MODEL_ID = "image-gen/demo";

/** In the container and, by default, on the operator's machine. */
export const SERVICE_PORT = 8000;
export const READY_PATH = "/readyz";
/** Answers 200 as long as the service listens, whether it can make pictures or not. */
export const HEALTH_PATH = "/healthz";
/** Longest idle timeout that an Application Load Balancer takes, in seconds. */
export const LONGEST_IDLE_TIMEOUT_SECONDS = 4000;
/**
 * How long the service keeps an idle connection open: longer than a load balancer does, which else sends a request on a
 * connection that is being closed and answers with 502.
 */
export const KEEP_ALIVE_SECONDS = LONGEST_IDLE_TIMEOUT_SECONDS + 20;

/** Where a client on the same machine reaches the service. An address that stands for every one is none to connect to. */
export function serviceUrl({ bindAddress, port }: { readonly bindAddress: string; readonly port: number }): string {
  const address = { "0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1" }[bindAddress] ?? bindAddress;
  return `http://${address.includes(":") ? `[${address}]` : address}:${port}`;
}

/** Where things are in the container. */
export const DATA_PATH = "/data";
export const HF_HOME = `${DATA_PATH}/huggingface`;
export const HUB_CACHE = `${HF_HOME}/hub`;
export const BAKED_PATH = "/opt/models";
/** Where files of the machine are mounted, read-only: authorities to trust, a Hugging Face cache, a mirror. */
export const CA_PATH = "/etc/image-gen/ca.pem";
/** The folder of the file with API keys: a file alone would stay the old one when another takes its place. */
export const API_KEYS_PATH = "/etc/image-gen/keys";
export const HOST_CACHE_PATH = "/host-cache";
export const MIRROR_PATH = "/mirror";
/** A host's own disk for a copy of the model, on the host and in the container. */
export const INSTANCE_STORE_PATH = "/instance-store";
/** What the host writes into the file system that it mounts there: without it, nothing is mounted. */
export const INSTANCE_STORE_MARKER = ".instance-store";
/** Models of the user's own, below it by their file's or directory's name. */
export const MODELS_PATH = "/models";
/** On AWS: a directory with the credentials for a mirror, which the host renews. */
export const CREDENTIALS_PATH = "/etc/image-gen/aws";

/** The cache's place in the variables that the libraries read; `TRANSFORMERS_CACHE` is kept for the guide. */
export const cacheEnvironment = (hfHome: string = HF_HOME) => ({
  HF_HOME: hfHome,
  HF_HUB_CACHE: `${hfHome}/hub`,
  TRANSFORMERS_CACHE: `${hfHome}/hub`,
});

/** Variables that name the model and the hub, for the container, the build and the process alike. */
export const MODEL_VARIABLES = {
  modelId: "MODEL_ID",
  modelRevision: "MODEL_REVISION",
  vaeId: "VAE_ID",
  hubEndpoint: "HF_ENDPOINT",
} as const;
/** What the build is given of the LoRAs. */
export const LORAS_ARGUMENT = "LORAS";
export const TOKEN_VARIABLE = "HF_TOKEN";
export const API_KEY_VARIABLE = "IMAGE_GEN_API_KEY";
export const API_KEYS_FILE_VARIABLE = "IMAGE_GEN_API_KEYS_FILE";
export const DRAIN_VARIABLE = "IMAGE_GEN_DRAIN_TIMEOUT";
export const CA_VARIABLE = "SSL_CERT_FILE";
export const MIRROR_VARIABLE = "IMAGE_GEN_MIRROR";
export const HOST_CACHE_VARIABLE = "IMAGE_GEN_HOST_CACHE";
export const INSTANCE_STORE_VARIABLE = "IMAGE_GEN_INSTANCE_STORE";
export const MODEL_DIR_VARIABLE = "MODEL_DIR";
export const OFFLINE_VARIABLE = "HF_HUB_OFFLINE";
/** The GPUs that CUDA sees; it counts by the bus, as all other tools do, only where it is asked to. */
export const GPU_VARIABLE = "CUDA_VISIBLE_DEVICES";
export const gpuEnvironment = (ids: readonly string[]): Record<string, string> => ({
  [GPU_VARIABLE]: ids.join(","),
  CUDA_DEVICE_ORDER: "PCI_BUS_ID",
});

/** What makes the service a worker of a fleet: the container's command, and the variables of workers and gateways. */
export const WORK_COMMAND = ["image-gen", "work"] as const;
/** Seconds after its last job in which a worker's host stays protected from scale-in. */
export const PROTECTED_SECONDS = 60;
/** What makes the same image a gateway. */
export const GATEWAY_COMMAND = ["image-gen", "gateway"] as const;
export const FLEET_VARIABLES = {
  queueUrl: "IMAGE_GEN_QUEUE_URL",
  deadLetterQueueUrl: "IMAGE_GEN_DEAD_LETTER_QUEUE_URL",
  jobStore: "IMAGE_GEN_JOB_STORE",
  /** Of a gateway: the group whose desired count it raises from 0. Of a worker: the one that its host is in. */
  autoScalingGroup: "IMAGE_GEN_AUTO_SCALING_GROUP",
  /** How many workers must be ready before the gateway says that it is. */
  minWorkers: "IMAGE_GEN_MIN_WORKERS",
  /** Of a worker: its host, which it protects from scale-in. */
  instanceId: "IMAGE_GEN_INSTANCE_ID",
  /** `1`: queue and store are an emulator's, and are created where they are missing. */
  emulated: "IMAGE_GEN_EMULATED",
} as const;
/** What a fleet keeps in its job store, below the store's address, and sends through its queue; `image_gen.fleet` reads and writes the same. */
export const JOB_VERSION = 1;
/** Whose jobs are those that no API key sent. */
export const DEFAULT_JOB_KEY = "default";
export const JOBS_FOLDER = "jobs/";
export const WORKERS_FOLDER = "workers/";
/** Seconds after which a worker that has not written its record again counts as gone. */
export const WORKER_LIVES_SECONDS = 60;
/** While there is such an object, workers take no more jobs. */
export const DRAIN_OBJECT = "drain.json";
export const jobFolder = (id: string) => `${JOBS_FOLDER}${id}/`;
export const jobName = (id: string) => `${jobFolder(id)}job.json`;
export const resultName = (id: string) => `${jobFolder(id)}result.json`;
export const jobMessage = (id: string) => JSON.stringify({ version: JOB_VERSION, job: id });
/** The object of a job. Times are seconds since 1970; `before`: about how many jobs waited when it came. */
export const jobRecord = (job: {
  readonly id: string;
  readonly kind: "generation" | "edit";
  /** Of the images API. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Names of the objects of its uploads, below its folder. */
  readonly files: Readonly<Record<string, string>>;
  readonly created: number;
  readonly before: number;
}) => ({ version: JOB_VERSION, key: DEFAULT_JOB_KEY, reservation: "", ...job });
/** In place of a result, which nobody makes then. */
export const cancelledResult = (id: string, ended: number) => ({
  version: JOB_VERSION,
  id,
  status: "cancelled",
  ended,
});
/** Seconds after which the queue gives a job to another worker, unless the first one has asked for more. */
export const VISIBILITY_SECONDS = 60;

/** Whether a variable of this name holds a secret. */
export function isSecretName(name: string): boolean {
  return /(?:^|_)(?:TOKEN|PASSWORD|SECRET|API_?KEY|ACCESS_?KEY|HEADERS)$/i.test(name);
}

/** Whether only this machine reaches the address: a container, or another machine, does not. */
export function isLoopback(address: string): boolean {
  const host = address.replace(/^\[|\]$/g, "").toLowerCase();
  return host === "localhost" || host.endsWith(".localhost") || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** What a container of the service may do, wherever it runs. */
export const HARDENING = {
  /** Numeric, so that the container's host needs no such user. */
  user: "10001:10001",
  tmpfs: { "/tmp": "size=1g,mode=1777" },
  capabilitiesDropped: ["ALL"],
  securityOptions: ["no-new-privileges:true"],
} as const;
/** Seconds that an image in the making has to finish, and those after which Docker kills the container. */
export const DRAIN_SECONDS = 50;
export const STOP_SECONDS = 60;

/** Exit codes that `imagegen` and `image-gen` share. */
export const EXIT_CODES = { ok: 0, failed: 1, usage: 2, corrupt: 3, notConfirmed: 4, interrupted: 130 } as const;

/** The image's label with the hash of what it was made from, and the container's labels with whose it is. */
export const CONTENT_LABEL = "imagegen.content";
export const OWNER_LABELS = {
  stack: "imagegen.stack",
  checkout: "imagegen.checkout",
  component: "imagegen.component",
} as const;

/** Tags of everything in AWS, and the one that tells a stack's data volume from its other disks. */
export const STACK_TAG = "imagegen:stack";
export const stackTags = (stack: string) => ({ "imagegen:project": PROJECT, [STACK_TAG]: stack });
export const volumeTag = (stack: string) => ({ "imagegen:volume": stack });
/** What the stream of a host's journal ends with in its log group; before it, as the container's whole name, the instance's id. */
export const HOST_STREAM = "/host";
/** The container of a fleet's gateway, and what the streams of its tasks begin with in the same log group. */
export const GATEWAY_CONTAINER = "gateway";
export const METRICS_NAMESPACE = "ImageGen";
/** The metric that a host sends every minute while its scripts run. */
export const HEARTBEAT_METRIC = "Heartbeat";
/** The container's label with the id of its deployment. */
export const DEPLOYMENT_LABEL = "imagegen.deployment";

/** Where a stack's parameters are in SSM, and the name of its log group in CloudWatch. */
export const parameterPrefix = (stack: string) => `/imagegen/${stack}`;
/** Written by the program, read by the host: what to run. */
export const deploymentParameter = (prefix: string) => `${prefix}/deployment`;
/** Written by the host, read by the program and the command: its status. */
export const statusParameter = (prefix: string) => `${prefix}/ready`;

/** The host writes its status at least every `HEARTBEAT_SECONDS`; one that is older than the timeout says nothing. */
export const HEARTBEAT_SECONDS = 60;
export const HEARTBEAT_TIMEOUT_SECONDS = 180;
export const HOST_STATUS_SCHEMA = 1;
export const HOST_STATUS_FIELDS = ["schema", "deployment", "instance", "at", "phase", "ready", "error", "log"] as const;

/** Who signs the tokens of a job, as IAM names them: without `https://`. */
export const CI_ISSUERS = { github: "token.actions.githubusercontent.com", gitlab: "gitlab.com" } as const;

/** EC2's vCPU quotas of GPU instances, by the letters that an instance type starts with. */
const VCPU_QUOTAS = [
  {
    families: ["g", "gr", "vt"],
    "on-demand": { code: "L-DB2E81BA", name: "Running On-Demand G and VT instances" },
    spot: { code: "L-3819A6DF", name: "All G and VT Spot Instance Requests" },
  },
  { families: ["p"], "on-demand": { code: "L-417A185B", name: "Running On-Demand P instances" }, spot: null },
] as const;

/** How an instance is paid for. */
export type PurchaseOption = "on-demand" | "spot";

export interface VcpuQuota {
  readonly code: string;
  readonly name: string;
  readonly families: readonly string[];
}

/** The quota that counts a host of this type; undefined for families that none is known for. */
export function vcpuQuota(instanceType: string, option: PurchaseOption): VcpuQuota | undefined {
  const family = /^[a-z]+(?=\d)/.exec(instanceType)?.[0] ?? "";
  const found = VCPU_QUOTAS.find(({ families }) => (families as readonly string[]).includes(family));
  const quota = found?.[option];
  return found && quota ? { ...quota, families: found.families } : undefined;
}

/** What the host's scripts must know of all this, as `contract.env`. */
export const hostEnvironment = () => ({
  IMAGE_GEN_CONTAINER: CONTAINER_NAME,
  IMAGE_GEN_PORT: String(SERVICE_PORT),
  IMAGE_GEN_READY_PATH: READY_PATH,
  IMAGE_GEN_DATA: DATA_PATH,
  IMAGE_GEN_USER: HARDENING.user,
  IMAGE_GEN_TMPFS: Object.entries(HARDENING.tmpfs)
    .map(([path, options]) => `${path}:${options}`)
    .join(" "),
  IMAGE_GEN_CAP_DROP: HARDENING.capabilitiesDropped.join(" "),
  IMAGE_GEN_SECURITY_OPT: HARDENING.securityOptions.join(" "),
  IMAGE_GEN_STOP_SECONDS: String(STOP_SECONDS),
  IMAGE_GEN_LABEL: DEPLOYMENT_LABEL,
  IMAGE_GEN_DEPLOYMENT_PARAMETER: deploymentParameter(""),
  IMAGE_GEN_STATUS_PARAMETER: statusParameter(""),
  IMAGE_GEN_HEARTBEAT_SECONDS: String(HEARTBEAT_SECONDS),
  IMAGE_GEN_METRICS_NAMESPACE: METRICS_NAMESPACE,
  IMAGE_GEN_HEARTBEAT_METRIC: HEARTBEAT_METRIC,
  IMAGE_GEN_CREDENTIALS: CREDENTIALS_PATH,
  IMAGE_GEN_API_KEYS: API_KEYS_PATH,
  IMAGE_GEN_HOST_STREAM: HOST_STREAM,
});
