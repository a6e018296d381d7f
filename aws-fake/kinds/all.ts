/** Every kind of resource that this AWS knows; any other is refused by name. */
import type { Kind } from "../kind.ts";
import { ATTACHMENTS } from "./attachment.ts";
import { BALANCING } from "./balancing.ts";
import { BUCKETS } from "./buckets.ts";
import { CONTAINERS } from "./containers.ts";
import { GRANTS } from "./grants.ts";
import { IDENTITY } from "./identity.ts";
import { INSTANCES } from "./instance.ts";
import { NETWORK } from "./network.ts";
import { PARAMETERS } from "./parameters.ts";
import { QUEUES } from "./queues.ts";
import { REGISTRY } from "./registry.ts";
import { SCALING } from "./scaling.ts";
import { SCALING_POLICIES } from "./scaling-policy.ts";
import { STORAGE } from "./volume.ts";
import { WATCHING } from "./watching.ts";

export const KINDS: readonly Kind[] = [
  ...NETWORK,
  ...IDENTITY,
  ...GRANTS,
  ...STORAGE,
  ...INSTANCES,
  ...ATTACHMENTS,
  ...REGISTRY,
  ...PARAMETERS,
  ...WATCHING,
  ...BUCKETS,
  ...BALANCING,
  ...SCALING,
  ...SCALING_POLICIES,
  ...QUEUES,
  ...CONTAINERS,
];
