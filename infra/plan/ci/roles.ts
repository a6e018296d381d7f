import { boundaryArn } from "./boundary.ts";
import { LOOKUPS, PREVIEW_READS, SDK_CALLS } from "./permissions/lookups.ts";
import {
  type CiPlace,
  type Grants,
  SCOPES,
  type ScopedResources,
  type ScopeName,
  type ScopeUse,
} from "./permissions/scopes.ts";
import { PARTS } from "./permissions/table.ts";
import type { CiPlan } from "./plan.ts";
import type { RoleName } from "./trust.ts";

interface CiStatement extends ScopedResources {
  readonly Sid: string;
  readonly Effect: "Allow";
  readonly Action: readonly string[];
}

/** One policy of IAM's: a role has as many as its permissions need room. */
export interface CiPolicy {
  readonly name: string;
  readonly statements: readonly CiStatement[];
}

/** What the roles may use besides, by its ARN. */
type RolePlan = Pick<
  CiPlan,
  "bucketPrefix" | "deployKmsKeyArns" | "deploySecretArns" | "deployVolumeIds" | "hostResourceArns" | "mirrorUri"
>;

/** Everything that a role may do. `preview` has neither state nor key nor secret: it runs code that nobody has reviewed. */
export function rolePolicies(role: RoleName, plan: RolePlan, place: CiPlace): readonly CiPolicy[] {
  const { deployVolumeIds: volumeIds, mirrorUri } = plan;
  const use = { volumeIds, mirrorUri, boundaryArn: boundaryArn(plan, place) };
  return partsOf(role).map(({ name, grants, kinds }) => {
    const statements = statementsOf(grants, place, { ...use, kinds });
    return {
      name,
      statements: ["state", "mirror"].includes(name) ? [...statements, ...ofArns(role, plan)] : statements,
    };
  });
}

/** Names of a role's policies. */
export const policyNames = (role: RoleName): readonly string[] => partsOf(role).map(({ name }) => name);

/** Actions that a role may use, wherever. */
export function roleActions(role: RoleName, plan: RolePlan): ReadonlySet<string> {
  const scoped = partsOf(role).flatMap(({ grants }) => grants.flatMap((each) => Object.values(each).flat()));
  return new Set([...scoped, ...ofArns(role, plan).flatMap(({ Action }) => Action)]);
}

interface Part {
  readonly name: string;
  readonly grants: readonly Grants[];
  readonly kinds: readonly string[];
}

/** A role's policies, before account and ARNs are known. */
function partsOf(role: RoleName): readonly Part[] {
  if (role === "preview") {
    const lookups = Object.values(LOOKUPS).filter(({ withSecrets }) => withSecrets !== true);
    const reads = [...lookups.map(({ grants }) => grants), PREVIEW_READS];
    return [{ name: "reads", grants: [...reads, { previews: ["s3:GetObject"] }], kinds: [] }];
  }
  if (role === "mirror") return [{ name: "mirror", grants: [MIRROR], kinds: [] }];
  const parts = PARTS.map(({ name, types, kinds }) => {
    const grants = Object.values(types).flatMap(({ read, write }) => (role === "drift" ? [read] : [read, write]));
    return { name, grants, kinds };
  });
  const program = [...Object.values(LOOKUPS).map(({ grants }) => grants), ...Object.values(SDK_CALLS), PREVIEW_READS];
  const state = { drift: DRIFT_STATE, deploy: DEPLOY_STATE, canary: CANARY_STATE }[role];
  return [...parts, { name: "state", grants: [...program, state], kinds: [] }];
}

/** Reads the state, and what is secret in it, to compare; writes the copy for previews. */
const DRIFT_STATE: Grants = {
  stateBucket: ["s3:ListBucket"],
  state: ["s3:GetObject"],
  previews: ["s3:PutObject"],
  stateKey: ["kms:Decrypt"],
};

/** Deletes no earlier version: they are the backup of the state. */
const DEPLOY_STATE: Grants = {
  stateBucket: ["s3:ListBucket"],
  state: ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
  stateKey: ["kms:Decrypt", "kms:Encrypt"],
};

/** As a deployment's, in a folder of its own; and the tunnel to the host that is asked for a picture. */
const CANARY_STATE: Grants = {
  stateBucket: ["s3:ListBucket"],
  canaryState: ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
  stateKey: ["kms:Decrypt", "kms:Encrypt"],
  tunnelHosts: ["ssm:StartSession"],
  tunnelDocument: ["ssm:StartSession"],
};

/** Writes the model's files and manifests, which LoRAs are added to; a part of a file that was not sent whole goes. */
const MIRROR: Grants = {
  mirrorBucket: ["s3:ListBucket"],
  mirror: ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"],
};

/** Disks and images with a customer's key, and the grants on it. */
const KEY_ACTIONS = {
  drift: ["kms:DescribeKey", "kms:ListGrants"],
  deploy: [
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ListGrants",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:RevokeGrant",
  ],
};

function ofArns(role: RoleName, plan: RolePlan): readonly CiStatement[] {
  const { deployKmsKeyArns, deploySecretArns, hostResourceArns } = plan;
  if (role === "preview") return [];
  const allow = (Sid: string, Action: readonly string[], Resource: readonly string[]): CiStatement[] =>
    Resource.length === 0 ? [] : [{ Sid, Effect: "Allow", Action, Resource }];
  // Of the mirror's bucket: hosts read it with the same.
  const keys = hostResourceArns.filter((arn) => arn.split(":")[2] === "kms");
  if (role === "mirror") return allow("CustomerKeys", ["kms:Decrypt", "kms:GenerateDataKey"], keys);
  return [
    ...allow("CustomerKeys", KEY_ACTIONS[role === "drift" ? "drift" : "deploy"], deployKmsKeyArns),
    ...allow("ClientSecrets", ["secretsmanager:GetSecretValue"], deploySecretArns),
  ];
}

/** One statement a scope, with all its actions in order. */
function statementsOf(grants: readonly Grants[], place: CiPlace, use: ScopeUse): readonly CiStatement[] {
  const scopes = Object.keys(SCOPES) as ScopeName[];
  return scopes.flatMap((scope): CiStatement[] => {
    const actions = [...new Set(grants.flatMap((each) => each[scope] ?? []))].sort();
    const resources = SCOPES[scope](place, use);
    if (actions.length === 0 || resources.Resource.length === 0) return [];
    const sid = `${scope[0]?.toUpperCase()}${scope.slice(1)}`;
    return [{ Sid: sid, Effect: "Allow", Action: actions, ...resources }];
  });
}
