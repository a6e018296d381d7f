import { DEFAULT_MODEL_ID, SERVICE_PORT } from "../contract.ts";
import { AWS_KEYS } from "./aws/keys.ts";
import { LOCAL_KEYS } from "./docker-keys.ts";
import type { Key, KeysOf } from "./key.ts";
import { httpUrl, integer, matching, oneOf, optional } from "./parsers.ts";
import type { CommonSettings, Settings } from "./settings.ts";

const imageReference = /^[a-z0-9][a-z0-9._/:-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?(?:@sha256:[0-9a-f]{64})?$/;
const modelId = matching(
  /^(?:demo|[A-Za-z0-9][A-Za-z0-9_.-]*\/[A-Za-z0-9][A-Za-z0-9_.-]*)$/,
  "a model on the hub as <organisation>/<name>, or demo",
);
const vaeId = matching(
  /^[A-Za-z0-9][A-Za-z0-9_.-]*\/[A-Za-z0-9][A-Za-z0-9_.-]*$/,
  "a VAE on the hub as <organisation>/<name>",
);

/** Keys that every target reads. */
const COMMON_KEYS: KeysOf<Omit<CommonSettings, "hasToken">> = {
  modelId: {
    default: DEFAULT_MODEL_ID,
    type: "string",
    parse: modelId,
    example: DEFAULT_MODEL_ID,
  },
  modelRevision: {
    default: "",
    type: "string",
    parse: optional("", matching(/^[A-Za-z0-9][A-Za-z0-9_./-]*$/, "a commit, tag or branch")),
    example: "main",
  },
  vaeId: {
    default: "",
    type: "string",
    parse: optional("", vaeId),
    example: "madebyollin/sdxl-vae-fp16-fix",
  },
  modelCache: { default: "volume", type: "string", parse: oneOf("volume", "baked"), example: "volume" },
  port: { default: String(SERVICE_PORT), type: "integer", parse: integer(1, 65_535), example: String(SERVICE_PORT) },
  baseImage: {
    default: "python:3.12.12-slim-bookworm",
    type: "string",
    parse: matching(imageReference, "an image reference"),
    example: "python:3.12.12-slim-bookworm",
  },
  buildNetwork: { default: "default", type: "string", parse: oneOf("default", "host"), example: "default" },
  hubEndpoint: {
    default: "",
    type: "string",
    parse: optional("", httpUrl),
    example: "https://huggingface.co",
  },
  readyTimeoutSeconds: {
    default: "0",
    type: "integer",
    parse: optional("0", integer(1, 86_400)),
    example: "1800",
  },
};

/** The one secret: read apart from the settings, so that it never travels with plain data. */
export const TOKEN_KEY = "hfToken";
const TOKEN: Key<string | null> = {
  default: "",
  type: "string",
  parse: optional("", matching(/^[\x21-\x7e]+$/, "a Hugging Face token without spaces")),
  example: "--secret",
  secret: true,
};

const TARGET: Key<Settings["target"]> = {
  default: "local",
  type: "string",
  parse: oneOf("local", "aws"),
  example: "local",
};

/** The keys and their defaults, but for the secret one. Nothing else in the project states a default of these. */
export const KEYS = { target: TARGET, ...COMMON_KEYS, ...LOCAL_KEYS, ...AWS_KEYS };

/** All keys by name, the secret one included. */
export const ALL_KEYS: Readonly<Record<string, Key<unknown>>> = { ...KEYS, [TOKEN_KEY]: TOKEN };

/** The keys that one target reads. */
export const TARGET_KEYS: Readonly<Record<Settings["target"], Readonly<Record<string, Key<unknown>>>>> = {
  local: { target: TARGET, ...COMMON_KEYS, ...LOCAL_KEYS, [TOKEN_KEY]: TOKEN },
  aws: { target: TARGET, ...COMMON_KEYS, ...AWS_KEYS, [TOKEN_KEY]: TOKEN },
};

/** Keys of earlier versions with their names now: refused by the program, translated by `imagegen` where it kept them. */
export const RENAMED_KEYS: Readonly<Record<string, string>> = {
  cacheOnDestroy: "onDestroy",
  capacity: "purchaseOption",
  market: "pinnedPurchaseOption",
  instanceType: "pinnedInstanceType",
};
