/**
 * Each fact of infra/contract.ts that a file outside TypeScript has to repeat, and where. Whoever can import the contract does; what
 * cannot (YAML, the Dockerfile, Python, files of a stack) is listed here, and compared.
 */
import {
  API_KEY_VARIABLE,
  BAKED_PATH,
  CONTAINER_NAME,
  DATA_PATH,
  DEFAULT_JOB_KEY,
  DEFAULT_MODEL_ID,
  DEMO_MODEL_ID,
  DRAIN_OBJECT,
  DRAIN_SECONDS,
  DRAIN_VARIABLE,
  HARDENING,
  HF_HOME,
  HUB_CACHE,
  JOB_VERSION,
  JOBS_FOLDER,
  LOG_PREFIX,
  MODEL_VARIABLES,
  PROJECT,
  READY_PATH,
  SERVICE_NAME,
  SERVICE_PORT,
  STOP_SECONDS,
  TOKEN_VARIABLE,
  VISIBILITY_SECONDS,
  VOLUME_NAME,
  WORKER_LIVES_SECONDS,
  WORKERS_FOLDER,
} from "../../infra/contract.ts";
import type { SourceFile } from "./source.ts";

interface Home {
  readonly path: string;
  /** Its first group is the fact, wherever in the file it matches. */
  readonly find: RegExp;
}

interface Fact {
  readonly name: string;
  readonly value: string | number;
  readonly homes: readonly Home[];
}

const COMPOSE = "compose.yaml";
const DOCKERFILE = "image-gen/Dockerfile";
const PULUMI = "Pulumi.yaml";
const SETTINGS = "image-gen/src/image_gen/settings.py";
const CACHE_SETTINGS = "image-gen/src/image_gen/model_cache/core/settings.py";
const HUB_TOKEN = "image-gen/src/image_gen/model_cache/core/token.py";
const FLEET_JOB = "image-gen/src/image_gen/fleet/fleet_job.py";
const JOB_QUEUE = "image-gen/src/image_gen/fleet/job_queue.py";
const WORKER_RECORD = "image-gen/src/image_gen/fleet/worker_record.py";
const home = (path: string, find: RegExp): Home => ({ path, find });
const [user = "", group = ""] = HARDENING.user.split(":");

/** How the service's settings read each of these. */
const READ_AS: Readonly<Record<keyof typeof MODEL_VARIABLES, RegExp>> = {
  modelId: /model_id: str = _read\("(\w+)"/g,
  modelRevision: /model_revision: .* = _read\("(\w+)"/g,
  vaeId: /vae_id: str = _read\("(\w+)"/g,
  hubEndpoint: /hub_endpoint_\w+: bool = _read\("(\w+)"/g,
};

export const FACTS: readonly Fact[] = [
  {
    name: "PROJECT",
    value: PROJECT,
    homes: [
      home(PULUMI, /^name: (.+)$/gm),
      ...["local", "local-baked", "aws-volume", "aws-baked"].map((stack) =>
        home(`stacks/Pulumi.${stack}.yaml`, /^ {2}([\w-]+):(?!region)\w+: /gm),
      ),
    ],
  },
  { name: "SERVICE_NAME", value: SERVICE_NAME, homes: [home(COMPOSE, /^services:\n {2}(\S+):/gm)] },
  {
    name: "CONTAINER_NAME",
    value: CONTAINER_NAME,
    homes: [home(COMPOSE, /container_name: (\S+)/g), home(PULUMI, /containerName:[\s\S]*?default: (\S+)/g)],
  },
  {
    name: "VOLUME_NAME",
    value: VOLUME_NAME,
    homes: [home(COMPOSE, /^ {4}name: (\S+)/gm), home(PULUMI, /volumeName:[\s\S]*?default: (\S+)/g)],
  },
  {
    name: "DEFAULT_MODEL_ID",
    value: DEFAULT_MODEL_ID,
    homes: [
      home(DOCKERFILE, /MODEL_ID=\$\{MODEL_ID:-([^}]+)\}/g),
      home(PULUMI, /modelId:[\s\S]*?default: (\S+)/g),
      home(CACHE_SETTINGS, /^DEFAULT_MODEL = "(.+)"$/gm),
    ],
  },
  { name: "DEMO_MODEL_ID", value: DEMO_MODEL_ID, homes: [home(CACHE_SETTINGS, /^DEMO_MODEL = "(.+)"$/gm)] },
  {
    name: "SERVICE_PORT",
    value: SERVICE_PORT,
    homes: [
      home(COMPOSE, /:-(\d+)\}:\d+$/gm),
      home(COMPOSE, /\}:(\d+)$/gm),
      home(PULUMI, /^ {2}port:[\s\S]*?default: (\d+)/gm),
      home(DOCKERFILE, /^\s*PORT=(\d+)/gm),
      home(DOCKERFILE, /^EXPOSE (\d+)/gm),
      home(SETTINGS, /^ {4}port: int = .*"PORT", (\d+),/gm),
      home("image-gen/docker/healthcheck.py", /or (\d+)\)/g),
    ],
  },
  {
    name: "READY_PATH",
    value: READY_PATH,
    homes: [
      home("image-gen/docker/healthcheck.py", /GET (\S+) HTTP/g),
      home("image-gen/src/image_gen/serving/http/startup_app.py", /_READY = "[^"]+", "([^"]+)"/g),
    ],
  },
  {
    name: "DATA_PATH",
    value: DATA_PATH,
    homes: [home(COMPOSE, /:-image_data\}:(\/\S+)/g), home("image-gen/docker/bin/rm", /^ {8}(\/data)\//gm)],
  },
  {
    name: "HF_HOME",
    value: HF_HOME,
    homes: [home(COMPOSE, /^ {6}HF_HOME: (\S+)/gm), home(DOCKERFILE, /^ {4}HF_HOME=(\/data\S*)/gm)],
  },
  {
    name: "HUB_CACHE",
    value: HUB_CACHE,
    homes: ["HF_HUB_CACHE", "TRANSFORMERS_CACHE"].flatMap((variable) => [
      home(COMPOSE, new RegExp(`^ {6}${variable}: (\\S+)`, "gm")),
      home(DOCKERFILE, new RegExp(`^\\s*${variable}=(\\S+)`, "gm")),
    ]),
  },
  {
    name: "BAKED_PATH",
    value: BAKED_PATH,
    homes: [
      home(DOCKERFILE, /IMAGE_GEN_BAKED_DIR=(\S+)/g),
      home(DOCKERFILE, /^COPY --from=model (\S+) /gm),
      home(CACHE_SETTINGS, /^DEFAULT_BAKED_DIR = "(.+)"$/gm),
    ],
  },
  {
    name: "HARDENING.user",
    value: HARDENING.user,
    homes: [
      home(COMPOSE, /^ {4}user: \$\{\w+:-(.+)\}$/gm),
      home(DOCKERFILE, /^USER (.+)$/gm),
      home(DOCKERFILE, /chown -R (\S+)/g),
    ],
  },
  { name: "HARDENING.user (uid)", value: user, homes: [home(DOCKERFILE, /image-gen:x:(\d+):\d+::/g)] },
  { name: "HARDENING.user (gid)", value: group, homes: [home(DOCKERFILE, /image-gen:x:(\d+):"/g)] },
  {
    name: "HARDENING.tmpfs",
    value: HARDENING.tmpfs["/tmp"],
    homes: [home(COMPOSE, /^ {6}- \/tmp:(\S+)$/gm)],
  },
  {
    name: "HARDENING.capabilitiesDropped",
    value: HARDENING.capabilitiesDropped[0],
    homes: [home(COMPOSE, /cap_drop:\n\s+- (\S+)/g)],
  },
  {
    name: "HARDENING.securityOptions",
    value: HARDENING.securityOptions[0],
    homes: [home(COMPOSE, /security_opt:\n\s+- (\S+)/g)],
  },
  { name: "DRAIN_SECONDS", value: DRAIN_SECONDS, homes: [home(COMPOSE, /IMAGE_GEN_DRAIN_TIMEOUT: "(\d+)"/g)] },
  {
    name: "DRAIN_VARIABLE",
    value: DRAIN_VARIABLE,
    homes: [home(COMPOSE, /(\w+_DRAIN_\w+):/g), home(SETTINGS, /"(\w+_DRAIN_\w+)"/g)],
  },
  { name: "STOP_SECONDS", value: STOP_SECONDS, homes: [home(COMPOSE, /stop_grace_period: (\d+)s/g)] },
  {
    name: "LOG_PREFIX",
    value: LOG_PREFIX,
    homes: [home("image-gen/src/image_gen/log.py", /^PREFIX: Final = "(.+)"$/gm)],
  },
  {
    name: "TOKEN_VARIABLE",
    value: TOKEN_VARIABLE,
    homes: [home(COMPOSE, /^ {6}(\w+_TOKEN):/gm), home(HUB_TOKEN, /^_VARIABLES = \("(\w+)"/gm)],
  },
  { name: "API_KEY_VARIABLE", value: API_KEY_VARIABLE, homes: [home(SETTINGS, /api_key: str = _read\("(\w+)"/g)] },
  { name: "JOB_VERSION", value: JOB_VERSION, homes: [home(FLEET_JOB, /^VERSION: Final = (\d+)$/gm)] },
  { name: "JOBS_FOLDER", value: JOBS_FOLDER, homes: [home(FLEET_JOB, /f"(\w+\/)\{job_id\}\/"/g)] },
  { name: "DEFAULT_JOB_KEY", value: DEFAULT_JOB_KEY, homes: [home(JOB_QUEUE, /^_GROUP: Final = "(.+)"$/gm)] },
  {
    name: "VISIBILITY_SECONDS",
    value: VISIBILITY_SECONDS,
    homes: [home(JOB_QUEUE, /^VISIBLE_AFTER_SECONDS: Final = (\d+)$/gm)],
  },
  {
    name: "DRAIN_OBJECT",
    value: DRAIN_OBJECT,
    homes: [home("image-gen/src/image_gen/fleet/drain.py", /^NAME: Final = "(.+)"$/gm)],
  },
  { name: "WORKERS_FOLDER", value: WORKERS_FOLDER, homes: [home(WORKER_RECORD, /^FOLDER: Final = "(.+)"$/gm)] },
  {
    name: "WORKER_LIVES_SECONDS",
    value: WORKER_LIVES_SECONDS,
    homes: [home(WORKER_RECORD, /^LIVES_SECONDS: Final = (\d+)\.0$/gm)],
  },
  ...Object.entries(MODEL_VARIABLES).map(([key, variable]) => ({
    name: `MODEL_VARIABLES.${key}`,
    value: variable,
    homes: [
      home(COMPOSE, new RegExp(`^ {6}(${variable}\\w*):`, "gm")),
      home(DOCKERFILE, new RegExp(`^ARG (${variable}\\w*)=`, "gm")),
      home(SETTINGS, READ_AS[key as keyof typeof MODEL_VARIABLES]),
    ],
  })),
];

/** One line for each home that says something else than the contract, or says nothing any more. */
export function contractProblems(files: readonly SourceFile[], facts: readonly Fact[] = FACTS): string[] {
  return facts.flatMap(({ name, value, homes }) =>
    homes.flatMap((home) => {
      const found = statedIn(files, home);
      if (found.length === 0)
        return [
          `${home.path}: ${name} is not stated. Fix: state it, or change FACTS in scripts/structure/contract-homes.ts`,
        ];
      const others = found.filter(([, stated]) => stated !== String(value));
      return others.map(
        ([path, stated]) =>
          `${path}: ${name} is ${stated}, the contract says ${value}. Fix: change this file, or infra/contract.ts`,
      );
    }),
  );
}

/** File and value of each statement of a fact at one of its homes. */
function statedIn(files: readonly SourceFile[], { path: home, find }: Home): [string, string][] {
  const inside = files.filter(({ path }) => path === home);
  return inside.flatMap(({ path, text }) =>
    [...text.matchAll(find)].map((match): [string, string] => [path, match[1] ?? ""]),
  );
}
