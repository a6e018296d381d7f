import { isSecretName } from "../contract.ts";
import { flag, type Key, number, text, unset } from "./key.ts";
import { hasLogin } from "./login.ts";
import { loraList } from "./loras.ts";
import {
  hostPath,
  integer,
  loginUrl,
  matching,
  oneOf,
  optional,
  type Parser,
  price,
  s3Prefix,
  variables,
} from "./parsers.ts";

/** An address of a proxy, with a user and a password where it asks for them. */
const proxyUrl: Parser<string> = (value) => {
  const expected =
    "an http:// or https:// address of a proxy; a password with # / ? @ in it is written with %23 %2F %3F %40";
  if (!URL.canParse(value) || /\s/.test(value)) return { expected };
  const url = new URL(value);
  const web = url.protocol === "http:" || url.protocol === "https:";
  const bare = url.pathname === "/" && url.search === "" && url.hash === "";
  return web && bare && url.hostname !== "" ? { value } : { expected };
};

const hasPassword = (value: string | null) => value !== null && new URL(value).password !== "";
const always = () => true;

const secret = <T>(key: Key<T>, needed: (value: T) => boolean): Key<T> => ({ ...key, secret: needed });
/** An address, which is a secret with a password in it. */
const address = (key: Key<string | null>, needed: (value: string | null) => boolean): Key<string | null> => ({
  ...secret(key, needed),
  shows: (value) => !value.includes("@"),
});
const printable = (expected: string) => matching(/^[\x21-\x7e]+$/, expected);

/** A mirror of models: a bucket, or a folder of the machine. */
const mirror: Parser<string> = (value) => {
  const folder = hostPath(value.replace(/^file:\/\/(?=\/)/, ""));
  if ("value" in folder) return folder;
  const bucket = s3Prefix(value);
  return "value" in bucket ? bucket : { expected: "s3://bucket/prefix, or an absolute path" };
};

/** Graphics processors: all, none, by number, by id, or so many of them. */
const gpus: Parser<string> = (value) => {
  const ids = /^(?:\d+|GPU-[0-9a-f-]+|MIG-[0-9A-Za-z/-]+)(?:,(?:\d+|GPU-[0-9a-f-]+|MIG-[0-9A-Za-z/-]+))*$/;
  const word = ["auto", "all", "none"].includes(value) || /^count=[1-9]\d?$/.test(value) || ids.test(value);
  return word ? { value } : { expected: "auto, all, none, device ids such as 0 or 0,2, or count=2" };
};

const engines: Parser<string> = (value) =>
  value === "auto" || /^(?:[1-9]|[1-5]\d|6[0-4])$/.test(value)
    ? { value }
    : { expected: "auto or a whole number from 1 to 64" };

/** A file whose folder is mounted. */
const fileInFolder: Parser<string> = (value) => {
  const path = hostPath(value);
  return "value" in path && !/^\/[^/]+\/./.test(path.value)
    ? { expected: "an absolute path of a file in a folder of its own, such as /srv/image-gen/keys/api-keys" }
    : path;
};

const listMatching = (item: string, expected: string) =>
  matching(new RegExp(`^ *(?:${item})(?: *, *(?:${item}))* *$`), expected);
const hostNames = listMatching(
  String.raw`(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\]`,
  "names of hosts without a port, with commas between them",
);
const origins = listMatching(
  String.raw`\*|https?:\/\/[A-Za-z0-9_.-]+(?::\d{1,5})?`,
  "* or origins such as https://app.example.com, with commas between them",
);

const safetyChecker = matching(
  /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*(?:@[\w./-]+)?$/,
  "a safety checker on the hub as <organisation>/<name>, with @<commit> to pin it",
);

/** As `engine_options.py` has them; a test compares. */
export const OPTION_NAMES = ["batches", "prompt-cache", "channels-last", "fused-projections"] as const;
const engineOptions = matching(
  new RegExp(`^(?:none|(?:auto|${OPTION_NAMES.join("|")})(?:,(?:auto|${OPTION_NAMES.join("|")}))*)$`),
  `auto, none, or some of ${OPTION_NAMES.join(", ")} with commas between them`,
);

/** Keys of a stack that become variables of the service. Their defaults are the service's own, so that an unset key sets none. */
export const SERVICE_KEYS = {
  /** Clients send it as `Authorization: Bearer <key>`. */
  apiKey: secret(unset(printable("a key without spaces"), "--secret"), always),
  /** Keys of several clients, in a folder that the container sees: it reads the file again when it changes. */
  apiKeysFile: unset(fileInFolder, "/srv/image-gen/keys/api-keys"),
  /** Null: a request may name any host. */
  allowedHosts: unset(hostNames, "images.example.com"),
  /** Null: pages of other origins may not use the service. */
  corsOrigins: unset(origins, "https://app.example.com"),
  /** `auto`: all GPUs when this machine has one. */
  gpu: text("auto", gpus),
  dtype: text("auto", oneOf("auto", "float16", "bfloat16", "float32")),
  compile: flag,
  /** What makes the engine faster: `auto`, `none`, or names. */
  engineOptions: text("auto", engineOptions, "auto,channels-last"),
  /** Null: no picture is withheld. */
  safetyChecker: unset(safetyChecker, "CompVis/stable-diffusion-safety-checker"),
  /** Null: none. */
  loras: unset(loraList, "sketch=org/sketch-lora@0123456789abcdef0123456789abcdef01234567"),
  /** Null: `recorded`, and `size` for a baked model. */
  verify: unset(oneOf("recorded", "full", "changed", "size"), "full"),
  queueLimit: number(8, integer(0, 10_000)),
  requestTimeoutSeconds: number(600, integer(1, 86_400)),
  /** How lines of the log are written. */
  logFormat: text("text", oneOf("text", "json")),
  maxSize: number(1536, integer(64, 8192)),
  maxImages: number(10, integer(1, 32)),
  /** Workers of the service, each with the whole model. */
  engines: text("auto", engines),
  /** Where jobs are kept. */
  jobs: text("disk", oneOf("disk", "memory", "none")),
  jobsKeepSeconds: number(86_400, integer(1, 2_592_000)),
  jobsLimit: number(1000, integer(1, 100_000)),
  jobsMaxMb: number(1000, integer(1, 1_000_000)),
  /** What the machine costs; null: metrics and page have no cost. */
  usdPerHour: unset(price, "0.8048"),
  /** 0: `response_format: "url"` is refused. */
  pictureUrlSeconds: number(0, integer(0, 2_592_000), 3600),
  /** Null: the model's own on a GPU, a small one on the CPU. */
  warmupSize: number(0, optional("0", integer(1, 4096)), 512),
  /** Another hub than huggingface.co; null: the default one. */
  hubEndpoint: address(unset(loginUrl, "https://huggingface.co"), (value) => value !== null && hasLogin(value)),
  /** Models that are read before the hub. */
  modelMirror: unset(mirror, "s3://my-models/mirror"),
  offline: flag,
  downloadTimeoutSeconds: number(10, integer(1, 3600)),
  httpProxy: address(unset(proxyUrl, "http://proxy.example:3128"), hasPassword),
  httpsProxy: address(unset(proxyUrl, "http://proxy.example:3128"), hasPassword),
  noProxy: unset(printable("names with commas between them"), ".example,10.0.0.0/8"),
  /** Authorities to trust beside the public ones. */
  caFile: unset(hostPath, "/etc/ssl/certs/ca-certificates.crt"),
  /** Variables that no key sets. */
  environment: secret(text("", variables, "IMAGE_GEN_DEVICE=cpu"), holdsSecret),
};

function holdsSecret(map: Readonly<Record<string, string>>): boolean {
  return Object.entries(map).some(([name, value]) => isSecretName(name) || hasLogin(value));
}
