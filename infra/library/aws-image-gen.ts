import * as pulumi from "@pulumi/pulumi";
import type { AwsOutputs } from "../aws/outputs.ts";
import { aws } from "../aws/program.ts";
import type { BuildArguments } from "./argument.ts";
import type { AwsArguments } from "./aws-arguments.ts";
import { type AwsPlaceArguments, regionOf, withTags } from "./aws-component.ts";
import { contextOf, readArguments, whenKnown } from "./component.ts";
import { AWS_OUTPUTS } from "./outputs.ts";
import type { ServiceArguments } from "./service-arguments.ts";

/** Arguments of `AwsImageGen`. All have a default. */
export interface AwsImageGenArgs extends ServiceArguments, AwsArguments, BuildArguments, AwsPlaceArguments {}

/**
 * The service on a GPU host in AWS: an image in ECR, a data volume, a network (or yours), and an instance. An update ends
 * when the host's service makes pictures, or fails with the reason.
 *
 * Options go to all of its resources: `transforms`, `provider` or `providers`, `protect`, `dependsOn`. Without a provider it
 * makes its own, from `region` and the stack's `aws:profile`.
 *
 * Cost: the default, a g6.xlarge with a volume of 100 GiB or less, is billed by AWS while it runs; `idleStopMinutes` stops it.
 *
 * @example
 * const images = new AwsImageGen("images", { region: "us-east-1", purchaseOption: "spot-then-on-demand" });
 * export const logGroup = images.logGroup;
 */
export class AwsImageGen extends pulumi.ComponentResource {
  /** The load balancer, or the near end of a tunnel to the host. */
  declare readonly url: pulumi.Output<string>;
  /** Answers 200 once the service is ready. */
  declare readonly readyUrl: pulumi.Output<string>;
  /** Always `aws`. */
  declare readonly target: pulumi.Output<"aws">;
  /** The model that is served. */
  declare readonly modelId: pulumi.Output<string>;
  /** Where the service reads its model. */
  declare readonly modelCache: pulumi.Output<"volume" | "baked">;
  /** On the host. */
  declare readonly containerName: pulumi.Output<string>;
  /** The device that the service uses. */
  declare readonly device: pulumi.Output<"cuda" | "cpu">;
  declare readonly region: pulumi.Output<string>;
  /** Of the volume, and so of the host. */
  declare readonly availabilityZone: pulumi.Output<string>;
  /** Null for a self-healing host. */
  declare readonly instanceId: pulumi.Output<string | null>;
  /** The EBS volume with the model. */
  declare readonly volumeId: pulumi.Output<string>;
  /** Where the host's parameters are in SSM: `/deployment` and `/ready`. */
  declare readonly parameterPrefix: pulumi.Output<string>;
  /** Changes with the image, the model or their environment. */
  declare readonly deploymentId: pulumi.Output<string>;
  /** The ECR repository. */
  declare readonly repositoryUrl: pulumi.Output<string>;
  /** Repository and digest. */
  declare readonly imageReference: pulumi.Output<string>;
  /** The digest alone. */
  declare readonly imageDigest: pulumi.Output<string>;
  /** In CloudWatch Logs. */
  declare readonly logGroup: pulumi.Output<string>;

  constructor(name: string, { tags = {}, ...args }: AwsImageGenArgs = {}, opts: pulumi.ComponentResourceOptions = {}) {
    super("imagegen:index:AwsImageGen", name, {}, withTags(name, tags, opts));
    const { outputs } = whenKnown<AwsOutputs>(
      this,
      { ...args },
      AWS_OUTPUTS,
      ({ dockerfile, buildContext, region, ...given }) => {
        const read = readArguments(name, "aws", given, regionOf(region));
        return aws(read.settings, contextOf(this, name, read, { dockerfile, buildContext }));
      },
    );
    Object.assign(this, outputs);
    this.registerOutputs({ ...outputs });
  }
}
