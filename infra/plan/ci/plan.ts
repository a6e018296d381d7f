import type { CiSettings } from "../../config/ci/settings.ts";
import { type ByRole, planTrust, ROLE_ENVIRONMENTS, type RoleName, type TrustPlan } from "./trust.ts";

/** All decisions of a stack with what deployments from CI need. */
export interface CiPlan {
  readonly target: "ci";
  readonly stack: string;
  readonly region: string;
  readonly ciProvider: "github" | "gitlab";
  /** Whose jobs may take the roles. */
  readonly repository: string;
  /** `<owner's id>/<repository's id>` on GitHub; null: the roles trust its name alone. */
  readonly repositoryIds: string | null;
  /** The account's own provider; null: one is made. */
  readonly oidcProviderArn: string | null;
  /** The account and the region follow: bucket names are global. */
  readonly bucketPrefix: string;
  /** Days that earlier versions of the state are kept. */
  readonly stateVersionDays: number;
  /** Of the key that encrypts the secrets in stacks' states. */
  readonly keyAlias: string;
  readonly roles: ByRole<CiRolePlan>;
  readonly deployBranch: string;
  /** The stack that the workflows deploy. */
  readonly deployStack: string;
  /** The stack that the workflow `canary` makes and destroys; null: it has no role. */
  readonly canaryStack: string | null;
  /** `s3://<bucket>/<prefix>` that the workflow `mirror` writes to; null: it has no role. */
  readonly mirrorUri: string | null;
  /** Customer keys that a deployment uses. */
  readonly deployKmsKeyArns: readonly string[];
  /** Secrets that a deployment reads. */
  readonly deploySecretArns: readonly string[];
  /** Existing volumes that a deployment may adopt. */
  readonly deployVolumeIds: readonly string[];
  /** Secrets, keys and buckets that the boundary lets a host use. */
  readonly hostResourceArns: readonly string[];
}

export interface CiRolePlan {
  readonly role: RoleName;
  readonly name: string;
  /** GitHub's environment whose jobs take it; in GitLab, the scope of its variable. */
  readonly environment: string;
  readonly trust: TrustPlan;
  readonly sessionSeconds: number;
}

/** A first deployment pushes gigabytes and waits for a model, and a mirror is filled with one; the others end within IAM's shortest limit. */
const SESSION_SECONDS = { preview: 3600, drift: 3600, deploy: 10_800, canary: 10_800, mirror: 10_800 };

export function makeCiPlan(settings: CiSettings, stack: string): CiPlan {
  const { ciPrefix: prefix } = settings;
  return {
    target: "ci",
    stack,
    region: settings.region,
    ciProvider: settings.ciProvider,
    repository: settings.repository,
    repositoryIds: settings.repositoryIds,
    oidcProviderArn: settings.oidcProviderArn,
    bucketPrefix: prefix,
    stateVersionDays: settings.stateVersionDays,
    keyAlias: `alias/${prefix}-state`,
    roles: {
      preview: planRole("preview", settings),
      drift: planRole("drift", settings),
      deploy: planRole("deploy", settings),
      ...(settings.canaryStack === null ? {} : { canary: planRole("canary", settings) }),
      ...(settings.mirrorUri === null ? {} : { mirror: planRole("mirror", settings) }),
    },
    deployBranch: settings.deployBranch,
    deployStack: settings.deployStack,
    canaryStack: settings.canaryStack,
    mirrorUri: settings.mirrorUri,
    deployKmsKeyArns: settings.deployKmsKeyArns,
    deploySecretArns: settings.deploySecretArns,
    deployVolumeIds: settings.deployVolumeIds,
    hostResourceArns: settings.hostResourceArns,
  };
}

function planRole(role: RoleName, settings: CiSettings): CiRolePlan {
  return {
    role,
    name: `${settings.ciPrefix}-${role}`,
    environment: ROLE_ENVIRONMENTS[role],
    trust: planTrust(role, settings),
    sessionSeconds: SESSION_SECONDS[role],
  };
}

/** Where in the bucket the stack `ci` has its own state: no role reaches it. */
export const CI_STATE_FOLDER = "ci";
/** Where the canary's state is: no other role reaches it. */
export const CANARY_STATE_FOLDER = "canary";

/** The bucket's name, once the account is known. */
export const stateBucketName = ({ bucketPrefix, region }: Pick<CiPlan, "bucketPrefix" | "region">, account: string) =>
  `${bucketPrefix}-${account}-${region}`;
