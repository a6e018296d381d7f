import { httpUrl, integer, ipAddress, matching, oneOf, optional, type Parser } from "./parsers.ts";
import type { Settings } from "./settings.ts";

/** One config key: its default as text, how to read it, and a value for the message that mends it. */
export interface Key<T> {
  readonly default: string;
  readonly type: "string" | "integer";
  readonly parse: Parser<T>;
  readonly example: string;
  readonly secret?: true;
}

/** Every key of `Settings` that is read from config as it is. */
type Keys = { readonly [Name in Exclude<keyof Settings, "hasToken">]: Key<Settings[Name]> };

const name = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
const dockerName = matching(name, "a Docker name (letters, digits, _ . -)");
const imageReference = /^[a-z0-9][a-z0-9._/:-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?(?:@sha256:[0-9a-f]{64})?$/;
const modelId = matching(
  /^(?:demo|[A-Za-z0-9][A-Za-z0-9_.-]*\/[A-Za-z0-9][A-Za-z0-9_.-]*)$/,
  "a model on the hub as <organisation>/<name>, or demo",
);
const vaeId = matching(
  /^[A-Za-z0-9][A-Za-z0-9_.-]*\/[A-Za-z0-9][A-Za-z0-9_.-]*$/,
  "a VAE on the hub as <organisation>/<name>",
);

/** The keys and their defaults. Nothing else in the project states a default of these. */
export const KEYS: Keys = {
  target: { default: "local", type: "string", parse: oneOf("local"), example: "local" },
  modelId: {
    default: "stabilityai/stable-diffusion-xl-base-1.0",
    type: "string",
    parse: modelId,
    example: "stabilityai/stable-diffusion-xl-base-1.0",
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
  port: { default: "8000", type: "integer", parse: integer(1, 65_535), example: "8000" },
  bindAddress: { default: "127.0.0.1", type: "string", parse: ipAddress, example: "127.0.0.1" },
  baseImage: {
    default: "python:3.12.12-slim-bookworm",
    type: "string",
    parse: matching(imageReference, "an image reference"),
    example: "python:3.12.12-slim-bookworm",
  },
  buildNetwork: { default: "default", type: "string", parse: oneOf("default", "host"), example: "default" },
  gpu: { default: "auto", type: "string", parse: oneOf("auto", "all", "none"), example: "auto" },
  hubEndpoint: {
    default: "",
    type: "string",
    parse: optional("", httpUrl),
    example: "https://huggingface.co",
  },
  containerName: {
    default: "image-game-image-gen",
    type: "string",
    parse: dockerName,
    example: "image-game-image-gen",
  },
  volumeName: {
    default: "Picture-Perfect-Challenge_image_data",
    type: "string",
    parse: dockerName,
    example: "Picture-Perfect-Challenge_image_data",
  },
  imageName: {
    default: "image-gen",
    type: "string",
    parse: matching(imageReference, "an image name"),
    example: "image-gen",
  },
  cacheOnDestroy: { default: "retain", type: "string", parse: oneOf("retain", "delete"), example: "retain" },
  readyTimeoutSeconds: {
    default: "0",
    type: "integer",
    parse: optional("0", integer(1, 86_400)),
    example: "1800",
  },
  memoryMb: { default: "0", type: "integer", parse: optional("0", integer(512, 4_194_304)), example: "16384" },
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

/** All keys by name, the secret one included. */
export const ALL_KEYS: Readonly<Record<string, Key<unknown>>> = { ...KEYS, [TOKEN_KEY]: TOKEN };
