import type { CiSettings } from "../../config/ci/settings.ts";
import { CI_ISSUERS } from "../../contract.ts";

/** The roles of CI, and GitHub's environments whose jobs take them. */
export const ROLE_ENVIRONMENTS = {
  preview: "preview",
  drift: "drift",
  deploy: "production",
  canary: "canary",
  mirror: "mirror",
} as const;
export type RoleName = keyof typeof ROLE_ENVIRONMENTS;
/** Those that config asks for, by the keys `canaryStack` and `mirrorUri`. */
type OptionalRoleName = "canary" | "mirror";

/** One value for each role that there is. */
export type ByRole<Value> = Readonly<
  Record<Exclude<RoleName, OptionalRoleName>, Value> & Partial<Record<OptionalRoleName, Value>>
>;

/** The roles that there are, in order. */
export const roleNames = (roles: ByRole<unknown>): readonly RoleName[] =>
  (Object.keys(ROLE_ENVIRONMENTS) as RoleName[]).filter((role) => roles[role] !== undefined);

/** The audience that `aws-actions/configure-aws-credentials` asks a token for. */
const AUDIENCE = "sts.amazonaws.com";

/** Which jobs a role trusts, by the subject of their token. */
export interface TrustPlan {
  readonly issuer: string;
  readonly audience: string;
  /** `StringLike`: the subject has a wildcard. */
  readonly match: "StringEquals" | "StringLike";
  /** Any one of them. */
  readonly subjects: readonly string[];
}

type TrustSettings = Pick<CiSettings, "ciProvider" | "repository" | "repositoryIds" | "deployBranch">;

/**
 * GitHub names the environment in a subject, and not the branch besides: which branches may use an environment is a rule of the
 * environment, that `commands.ts` sets. Repositories that were created, renamed or transferred since 15 July 2026 send the ids of owner and
 * repository besides. Without ids in config that form is not trusted: a wildcard in their place would also match subjects that another
 * repository of the same owner composes by a template of its own.
 *
 * GitLab names the branch; any branch previews, and only the one that is deployed has the others.
 */
export function planTrust(role: RoleName, settings: TrustSettings): TrustPlan {
  const { ciProvider, repository, deployBranch } = settings;
  const common = { issuer: CI_ISSUERS[ciProvider], audience: AUDIENCE };
  if (ciProvider === "github") {
    const subjects = githubRepositories(settings).map((name) => `repo:${name}:environment:${ROLE_ENVIRONMENTS[role]}`);
    return { ...common, match: "StringEquals", subjects };
  }
  const branch = (name: string) => `project_path:${repository}:ref_type:branch:ref:${name}`;
  return role === "preview"
    ? { ...common, match: "StringLike", subjects: [branch("*")] }
    : { ...common, match: "StringEquals", subjects: [branch(deployBranch)] };
}

/** The repository as subjects name it: without ids, and with them. */
function githubRepositories({ repository, repositoryIds }: TrustSettings): readonly string[] {
  if (repositoryIds === null) return [repository];
  const [owner, name] = repository.split("/");
  const [ownerId, repositoryId] = repositoryIds.split("/");
  return [repository, `${owner}@${ownerId}/${name}@${repositoryId}`];
}

/** The role's trust policy, once the provider has an ARN. */
export const trustStatements = ({ issuer, audience, match, subjects }: TrustPlan, providerArn: string) => {
  const aud = { [`${issuer}:aud`]: audience };
  const sub = { [`${issuer}:sub`]: subjects.length === 1 ? (subjects[0] ?? "") : subjects };
  return [
    {
      Effect: "Allow",
      Principal: { Federated: providerArn },
      Action: "sts:AssumeRoleWithWebIdentity",
      Condition:
        match === "StringEquals" ? { StringEquals: { ...aud, ...sub } } : { StringEquals: aud, StringLike: sub },
    },
  ];
};
