import { CI_ISSUERS } from "../../contract.ts";
import { type Problem, qualifyKey } from "../problem.ts";
import type { CiSettings } from "./settings.ts";

type Read = Omit<CiSettings, "repository"> & { readonly repository: string | null };

/** Rules between keys of what deployments from CI need. */
const RULES: readonly ((settings: Read) => Problem | false)[] = [
  ({ repository }) =>
    repository === null && {
      path: qualifyKey("repository"),
      expected: "the repository whose jobs may take the roles, with target ci",
      got: "nothing",
      fix: { set: "repository", value: "<organisation>/<name>" },
    },
  ({ repository, ciProvider }) =>
    repository !== null &&
    ciProvider === "github" &&
    repository.split("/").length !== 2 && {
      path: qualifyKey("repository"),
      expected: "<organisation>/<name> with ciProvider github",
      got: repository,
      fix: { set: "repository", value: repository.split("/").slice(-2).join("/") },
    },
  ({ repositoryIds, ciProvider }) =>
    repositoryIds !== null &&
    ciProvider === "gitlab" && {
      path: qualifyKey("repositoryIds"),
      expected: "none with ciProvider gitlab, whose tokens name the project's path",
      got: repositoryIds,
      fix: { unset: "repositoryIds" },
    },
  ({ canaryStack, deployStack }) =>
    canaryStack !== null &&
    canaryStack === deployStack && {
      path: qualifyKey("canaryStack"),
      expected: "another stack than deployStack, as it is destroyed",
      got: canaryStack,
      fix: { set: "canaryStack", value: "canary" },
    },
  ({ canaryStack, mirrorUri, ciProvider }) => {
    const [key, value] = canaryStack === null ? ["mirrorUri", mirrorUri] : ["canaryStack", canaryStack];
    return (
      value !== null &&
      ciProvider === "gitlab" && {
        path: qualifyKey(key),
        expected: "none with ciProvider gitlab, whose pipeline has no such job",
        got: value,
        fix: { unset: key },
      }
    );
  },
  ({ oidcProviderArn, ciProvider }) => {
    const issuer = CI_ISSUERS[ciProvider];
    if (oidcProviderArn === null || oidcProviderArn.endsWith(`:oidc-provider/${issuer}`)) return false;
    return {
      path: qualifyKey("oidcProviderArn"),
      expected: `the provider of ${issuer} with ciProvider ${ciProvider}`,
      got: oidcProviderArn,
      fix: { set: "oidcProviderArn", value: oidcProviderArn.replace(/oidc-provider\/.*/, `oidc-provider/${issuer}`) },
    };
  },
];

/** Every problem between keys. */
export function ciProblems(settings: Read): readonly Problem[] {
  return RULES.map((rule) => rule(settings)).filter((found) => found !== false);
}
