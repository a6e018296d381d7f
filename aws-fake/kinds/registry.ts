import { AwsError } from "../aws-error.ts";
import type { Cloud } from "../cloud.ts";
import { type Kind, type Props, record, type Thing, text } from "../kind.ts";
import { by, plain } from "./plain.ts";

const REPOSITORY = "aws:ecr/repository:Repository";

export const REGISTRY: readonly Kind[] = [
  plain({
    token: REPOSITORY,
    api: ["CreateRepository", "PutImageTagMutability", "DeleteRepository"],
    id: by("name"),
    name: "name",
    replaces: ["encryptionConfigurations"],
    outputs: (cloud, key) => ({
      arn: cloud.arn("ecr", `repository/${key}`),
      registryId: cloud.account,
      repositoryUrl: `${registryOf(cloud)}/${key}`,
    }),
    beforeDelete: (_, repository, state) => {
      if (Object.keys(record(repository.props.__images)).length > 0 && state.forceDelete !== true)
        throw new AwsError(
          "RepositoryNotEmptyException",
          `The repository '${repository.id}' cannot be deleted because it still contains images`,
        );
    },
  }),
  ...[
    ["lifecyclePolicy:LifecyclePolicy", "PutLifecyclePolicy", "DeleteLifecyclePolicy"],
    ["repositoryPolicy:RepositoryPolicy", "SetRepositoryPolicy", "DeleteRepositoryPolicy"],
  ].map(([name = "", put = "", remove = ""]) =>
    plain({
      token: `aws:ecr/${name}`,
      api: [put, put, remove],
      taggable: false,
      id: by("repository"),
      replaces: ["repository"],
      references: { repository: REPOSITORY },
      // Each is a put: a repository that outlived its stack has one already.
      sameIdIs: "overwritten",
      outputs: (cloud) => ({ registryId: cloud.account }),
    }),
  ),
];

export function registryOf(cloud: Cloud): string {
  return `${cloud.account}.dkr.ecr.${cloud.region}.amazonaws.com`;
}

/** A push of `<repository>:<tag>`: a tag that can't be moved is not. */
export function pushImage(cloud: Cloud, reference: string, digest: string): void {
  const [url = "", tag = "latest"] = reference.split(/:(?=[^/]*$)/);
  const repository = cloud.all(REPOSITORY).find(({ props }) => props.repositoryUrl === url);
  if (!repository) throw new AwsError("RepositoryNotFoundException", `The repository of '${reference}' does not exist`);
  const images: Props = record(repository.props.__images);
  const taken = images[tag];
  if (taken !== undefined && taken !== digest && isFixed(repository, tag))
    throw new AwsError("ImageTagAlreadyExistsException", `The image tag '${tag}' already exists in '${repository.id}'`);
  repository.props = { ...repository.props, __images: { ...images, [tag]: digest } };
  cloud.record("PutImage", `${repository.id}:${tag}`);
}

/** Whether a host could pull it. */
export function hasImage(cloud: Cloud, reference: string): boolean {
  const [url = "", digest = ""] = reference.split("@");
  const repository = cloud.all(REPOSITORY).find(({ props }) => props.repositoryUrl === url);
  return Object.values(record(repository?.props.__images)).includes(digest);
}

function isFixed({ props }: Thing, tag: string): boolean {
  const mutability = text(props.imageTagMutability);
  if (!mutability.startsWith("IMMUTABLE")) return false;
  const filters = Array.isArray(props.imageTagMutabilityExclusionFilters)
    ? props.imageTagMutabilityExclusionFilters
    : [];
  return !filters.some((one) => {
    const pattern = text(record(one).filter)
      .replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&")
      .replaceAll("*", ".*");
    return new RegExp(`^${pattern}$`).test(tag);
  });
}
