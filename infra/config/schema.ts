import { DEFAULT_MODEL_ID, SERVICE_PORT } from "../contract.ts";
import { AWS_KEYS } from "./aws/keys.ts";
import { CI_KEYS } from "./ci/keys.ts";
import { LOCAL_KEYS } from "./docker-keys.ts";
import { FLEET_KEYS, NOT_OF_FLEETS } from "./fleet/keys.ts";
import { hubId } from "./hub-id.ts";
import { type Key, number, text, unset } from "./key.ts";
import { integer, matching, oneOf, optional } from "./parsers.ts";
import { SERVICE_KEYS } from "./service-keys.ts";
import type { Settings } from "./settings.ts";

const imageReference = /^[a-z0-9][a-z0-9._/:-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?(?:@sha256:[0-9a-f]{64})?$/;
const modelId = hubId(
  "a model on the hub as <organisation>/<name>, with /<file>.safetensors for a checkpoint in it, or demo",
  "modelRevision",
  { words: ["demo"], files: true },
);
const vaeId = hubId("a VAE on the hub as <organisation>/<name>", null);

/** Keys that every service reads. */
export const COMMON_KEYS = {
  /** A model on the hub, a checkpoint in a repository there, or `demo`: random weights, made on the spot. */
  modelId: text(DEFAULT_MODEL_ID, modelId),
  /** A commit or branch of the model; null: the manifest's commit, or what `main` was when it was first fetched. */
  modelRevision: unset(matching(/^[A-Za-z0-9][A-Za-z0-9_./-]*$/, "a commit, tag or branch"), "main"),
  /** A VAE on the hub in place of the model's own; null: that one. */
  vaeId: unset(vaeId, "madebyollin/sdxl-vae-fp16-fix"),
  /** `volume`: fetched at the first start and kept. `baked`: fetched while the image is built. */
  modelCache: text("volume", oneOf("volume", "baked")),
  /** Port on this machine; for a service on AWS, the near end of the tunnel. */
  port: number(SERVICE_PORT, integer(1, 65_535)),
  baseImage: text("python:3.12.12-slim-bookworm", matching(imageReference, "an image reference")),
  /** Network of the build's RUN steps. */
  buildNetwork: text("default", oneOf("default", "host")),
  /** Longest wait for a ready service, in seconds; null: sized by the model. */
  readyTimeoutSeconds: number(0, optional("0", integer(1, 86_400)), 1800),
  ...SERVICE_KEYS,
};

export const TOKEN_KEY = "hfToken";
const token = matching(/^[\x21-\x7e]+$/, "a Hugging Face token without spaces");
const TOKEN: Key<string | null> = { ...unset(token, "--secret"), secret: () => true };

/** Keys that take a secret: read apart from the settings, so that none travels with plain data. */
export const SECRET_KEYS = [TOKEN_KEY, "apiKey", "hubEndpoint", "httpProxy", "httpsProxy", "environment"] as const;
export type SecretKey = (typeof SECRET_KEYS)[number];

const TARGETS = ["local", "aws", "fleet", "ci"] as const;
const TARGET = text("local", oneOf(...TARGETS));

/** The keys and their defaults, but for the token. Nothing else in the project states a default of these. */
export const KEYS = { target: TARGET, ...COMMON_KEYS, ...LOCAL_KEYS, ...AWS_KEYS, ...FLEET_KEYS, ...CI_KEYS };

/** All keys by name. */
export const ALL_KEYS: Readonly<Record<string, Key<unknown>>> = { ...KEYS, [TOKEN_KEY]: TOKEN };

/** The keys of every service that a fleet reads. */
const COMMON_OF_FLEETS = Object.fromEntries(
  Object.entries(COMMON_KEYS).filter(([key]) => !NOT_OF_FLEETS.some((each) => each === key)),
);

/** The keys that one target reads. */
export const TARGET_KEYS: Readonly<Record<Settings["target"], Readonly<Record<string, Key<unknown>>>>> = {
  local: { target: TARGET, ...COMMON_KEYS, ...LOCAL_KEYS, [TOKEN_KEY]: TOKEN },
  aws: { target: TARGET, ...COMMON_KEYS, ...AWS_KEYS, [TOKEN_KEY]: TOKEN },
  fleet: { target: TARGET, ...COMMON_OF_FLEETS, ...FLEET_KEYS, [TOKEN_KEY]: TOKEN },
  ci: { target: TARGET, ...CI_KEYS },
};

/** A target that reads a key. */
export const targetOfKey = (key: string): Settings["target"] =>
  TARGETS.find((target) => key in TARGET_KEYS[target]) ?? "aws";

/** Keys of earlier versions with their names now: refused by the program, translated by `imagegen` where it kept them. */
export const RENAMED_KEYS: Readonly<Record<string, string>> = {
  cacheOnDestroy: "onDestroy",
  capacity: "purchaseOption",
  market: "pinnedPurchaseOption",
  instanceType: "pinnedInstanceType",
};
