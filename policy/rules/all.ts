import type { ResourceValidationPolicy } from "@pulumi/policy";
import { bucketGuarded } from "./bucket-guarded.ts";
import { capabilitiesDropped } from "./capabilities-dropped.ts";
import { dataVolumeGuarded } from "./data-volume-guarded.ts";
import { defaultGroupClosed } from "./default-group-closed.ts";
import { deploymentByDigest } from "./deployment-by-digest.ts";
import { everythingTagged } from "./everything-tagged.ts";
import { iamLeastPrivilege } from "./iam-least-privilege.ts";
import { imagePinned } from "./image-pinned.ts";
import { imdsv2Required } from "./imdsv2-required.ts";
import { keyForOpenPort } from "./key-for-open-port.ts";
import { loadBalancerGuarded } from "./load-balancer-guarded.ts";
import { noHostNamespaces } from "./no-host-namespaces.ts";
import { noNewPrivileges } from "./no-new-privileges.ts";
import { noOpenIngress } from "./no-open-ingress.ts";
import { noPlainSecrets } from "./no-plain-secrets.ts";
import { noSecretBuildArgs } from "./no-secret-build-args.ts";
import { notPrivileged } from "./not-privileged.ts";
import { portNotOpenToAll } from "./port-not-open-to-all.ts";
import { queueGuarded } from "./queue-guarded.ts";
import { readOnlyRoot } from "./read-only-root.ts";
import { repositoryGuarded } from "./repository-guarded.ts";
import { serviceGuarded } from "./service-guarded.ts";
import { taskGuarded } from "./task-guarded.ts";
import { volumeNotReplaced } from "./volume-not-replaced.ts";
import { volumesEncrypted } from "./volumes-encrypted.ts";

/** Rules about Docker on this machine, and about any image. */
export const dockerRules: readonly ResourceValidationPolicy[] = [
  capabilitiesDropped,
  imagePinned,
  keyForOpenPort,
  noHostNamespaces,
  noNewPrivileges,
  noSecretBuildArgs,
  notPrivileged,
  portNotOpenToAll,
  readOnlyRoot,
  volumeNotReplaced,
];

/** Rules about hosts on AWS. */
export const awsRules: readonly ResourceValidationPolicy[] = [
  bucketGuarded,
  dataVolumeGuarded,
  defaultGroupClosed,
  deploymentByDigest,
  everythingTagged,
  iamLeastPrivilege,
  imdsv2Required,
  loadBalancerGuarded,
  noOpenIngress,
  noPlainSecrets,
  queueGuarded,
  repositoryGuarded,
  serviceGuarded,
  taskGuarded,
  volumesEncrypted,
];

/** Every rule of the pack. */
export const rules: readonly ResourceValidationPolicy[] = [...dockerRules, ...awsRules];
