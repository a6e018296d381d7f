import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { RegistryImagePlan } from "../../plan/aws/image.ts";

/**
 * A repository whose tags can't be moved, but for the build cache's: that is in the same repository, because its layers
 * are the image's own, and a second repository would be sent them again. Every image that was deployed has a tag, and
 * nothing with a tag expires; what has none (old caches, pushes that failed half-way) does. The parts of a tagged image
 * have no tag of their own, and ECR expires none that an index still refers to. A retained repository is protected, too: the
 * next `up` after `imagegen down` uses it again, with the build's cache in it.
 */
export class EcrRepository extends pulumi.ComponentResource {
  readonly repositoryUrl: pulumi.Output<string>;
  readonly repositoryArn: pulumi.Output<string>;

  constructor(name: string, { plan }: { readonly plan: RegistryImagePlan }, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:image:EcrRepository", name, {}, opts);

    const repository = new aws.ecr.Repository(
      `${name}-repository`,
      {
        // No name of its own: one that a destroyed stack left behind must not stand in the next one's way.
        imageTagMutability: "IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters: [{ filter: plan.movableTags, filterType: "WILDCARD" }],
        imageScanningConfiguration: { scanOnPush: true },
        encryptionConfigurations: [
          plan.kmsKeyArn === null ? { encryptionType: "AES256" } : { encryptionType: "KMS", kmsKey: plan.kmsKeyArn },
        ],
        forceDelete: !plan.retain,
      },
      // Another key counts for a new repository: the images of this one would have to be pushed again.
      { parent: this, protect: plan.retain, retainOnDelete: plan.retain, ignoreChanges: ["encryptionConfigurations"] },
    );
    new aws.ecr.LifecyclePolicy(
      `${name}-lifecycle`,
      {
        repository: repository.name,
        policy: {
          rules: [
            {
              rulePriority: 1,
              description: "What no tag points to.",
              selection: {
                tagStatus: "untagged",
                countType: "sinceImagePushed",
                countUnit: "days",
                countNumber: plan.untaggedDays,
              },
              action: { type: "expire" },
            },
          ],
        },
      },
      { parent: this, retainOnDelete: plan.retain },
    );

    this.repositoryUrl = repository.repositoryUrl;
    this.repositoryArn = repository.arn;
    this.registerOutputs({ repositoryUrl: this.repositoryUrl, repositoryArn: this.repositoryArn });
  }
}
