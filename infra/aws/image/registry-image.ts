import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { SECRET_PLACEHOLDER } from "../../contract.ts";
import type { RegistryImagePlan } from "../../plan/aws/image.ts";
import { EcrRepository } from "./ecr-repository.ts";
import { PushedImage } from "./pushed-image.ts";

export interface RegistryImageArgs {
  readonly plan: RegistryImagePlan;
  /** Hugging Face token, for a build that needs it. */
  readonly hfToken?: pulumi.Input<string> | undefined;
  /** Called when the build fails. */
  readonly onError?: pulumi.ErrorHook | undefined;
}

/** The service's image in a repository of its own in ECR. A preview builds nothing. */
export class RegistryImage extends pulumi.ComponentResource {
  /** `<repository>@sha256:…`: what a host runs. */
  readonly imageReference: pulumi.Output<string>;
  readonly repositoryUrl: pulumi.Output<string>;
  readonly repositoryArn: pulumi.Output<string>;

  constructor(name: string, { plan, hfToken, onError }: RegistryImageArgs, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:image:RegistryImage", name, {}, opts);

    const repository = new EcrRepository(name, { plan }, { parent: this });
    // Good for twelve hours; a new one is no change of the image.
    const login = plan.withoutPassword
      ? { userName: "AWS", password: SECRET_PLACEHOLDER }
      : aws.ecr.getAuthorizationTokenOutput({}, { parent: this });
    const image = new PushedImage(
      name,
      {
        plan,
        repositoryUrl: repository.repositoryUrl,
        registry: {
          address: repository.repositoryUrl.apply((url) => url.slice(0, url.indexOf("/"))),
          username: login.userName,
          password: login.password,
        },
        hfToken,
        onError,
      },
      { parent: this },
    );

    this.imageReference = image.imageReference;
    this.repositoryUrl = repository.repositoryUrl;
    this.repositoryArn = repository.repositoryArn;
    this.registerOutputs({
      imageReference: this.imageReference,
      repositoryUrl: this.repositoryUrl,
      repositoryArn: this.repositoryArn,
    });
  }
}
