import { awsRule } from "./aws-rule.ts";

interface Inputs {
  readonly imageTagMutability?: string;
  readonly imageTagMutabilityExclusionFilters?: readonly { readonly filter?: string }[];
  readonly imageScanningConfiguration?: { readonly scanOnPush?: boolean };
  readonly encryptionConfigurations?: readonly unknown[];
}

/** A tag that is moved makes yesterday's deployment another image; only the build's cache may do that. */
export const repositoryGuarded = awsRule(
  "repository-guarded",
  "Repositories have tags that stay, scan what is pushed, and say how they are encrypted.",
  ["aws:ecr/repository:Repository"],
  ({ props }) => {
    const inputs = props as Inputs;
    const filters = inputs.imageTagMutabilityExclusionFilters ?? [];
    const movable = filters.map(({ filter = "" }) => filter).filter((filter) => !filter.startsWith("cache-"));
    const immutable = inputs.imageTagMutability?.startsWith("IMMUTABLE") && movable.length === 0;
    return [
      ...(immutable ? [] : ["expected immutable tags, but for those of the cache (cache-*)."]),
      ...(inputs.imageScanningConfiguration?.scanOnPush ? [] : ["expected imageScanningConfiguration.scanOnPush."]),
      ...((inputs.encryptionConfigurations ?? []).length > 0 ? [] : ["expected encryptionConfigurations."]),
    ];
  },
);
