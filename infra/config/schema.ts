import { AWS_KEYS } from "./aws/keys.ts";
import { COMMON_KEYS, TOKEN, TOKEN_KEY } from "./common-keys.ts";
import { LOCAL_KEYS } from "./docker-keys.ts";
import type { Key } from "./key.ts";
import { oneOf } from "./parsers.ts";
import type { Settings } from "./settings.ts";

export { TOKEN_KEY } from "./common-keys.ts";

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
