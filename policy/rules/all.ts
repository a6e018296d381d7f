import type { ResourceValidationPolicy } from "@pulumi/policy";
import { capabilitiesDropped } from "./capabilities-dropped.ts";
import { imagePinned } from "./image-pinned.ts";
import { noHostNamespaces } from "./no-host-namespaces.ts";
import { noNewPrivileges } from "./no-new-privileges.ts";
import { noSecretBuildArgs } from "./no-secret-build-args.ts";
import { notPrivileged } from "./not-privileged.ts";
import { portNotOpenToAll } from "./port-not-open-to-all.ts";
import { readOnlyRoot } from "./read-only-root.ts";
import { volumeNotReplaced } from "./volume-not-replaced.ts";

/** Every rule of the pack. */
export const rules: readonly ResourceValidationPolicy[] = [
  capabilitiesDropped,
  imagePinned,
  noHostNamespaces,
  noNewPrivileges,
  noSecretBuildArgs,
  notPrivileged,
  portNotOpenToAll,
  readOnlyRoot,
  volumeNotReplaced,
];
