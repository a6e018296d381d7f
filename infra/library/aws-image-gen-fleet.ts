import * as pulumi from "@pulumi/pulumi";
import type { FleetOutputs } from "../aws/fleet/outputs.ts";
import { createFleet, planFleet } from "../aws/fleet/program.ts";
import type { NOT_OF_FLEETS } from "../config/fleet/keys.ts";
import type { BuildArguments } from "./argument.ts";
import { type AwsPlaceArguments, regionOf, withTags } from "./aws-component.ts";
import { contextOf, readArguments, whenKnown } from "./component.ts";
import type { FleetArguments } from "./fleet-arguments.ts";
import { FLEET_OUTPUTS } from "./outputs.ts";
import type { ServiceArguments } from "./service-arguments.ts";

/** Arguments of `AwsImageGenFleet`. All have a default. */
export interface AwsImageGenFleetArgs
  extends Omit<ServiceArguments, (typeof NOT_OF_FLEETS)[number]>,
    FleetArguments,
    BuildArguments,
    AwsPlaceArguments {}

/**
 * The service on many GPU hosts in AWS, from none: an image in ECR, a queue for jobs, a bucket for results, a network (or yours), and
 * groups of spot and on-demand hosts that grow with the queue. With `gatewayCount`, tasks on Fargate behind a load balancer have the
 * HTTP API of one host. An update ends when all of it is made; hosts come with the first job.
 *
 * Options go to all of its resources: `transforms`, `provider` or `providers`, `protect`, `dependsOn`. Without a provider it
 * makes its own, from `region` and the stack's `aws:profile`.
 *
 * Cost: hosts are billed by AWS while they run, and without jobs there is none, unless `minHosts` keeps some. Alarms, the image and
 * a gateway are billed all month.
 *
 * @example
 * const fleet = new AwsImageGenFleet("fleet", { region: "us-east-1", maxHosts: 8, modelMirror: "s3://my-models/mirror" });
 * export const { queueUrl, jobStore, clientPolicy } = fleet;
 *
 * @example
 * const fleet = new AwsImageGenFleet("fleet", {
 *   region: "us-east-1",
 *   gatewayCount: 2,
 *   certificateArn: "arn:aws:acm:us-east-1:123456789012:certificate/…",
 *   apiKeySecretArn: "arn:aws:secretsmanager:us-east-1:123456789012:secret:name-AbCdEf",
 *   allowedCidrs: ["203.0.113.0/24"],
 * });
 * export const url = fleet.url;
 */
export class AwsImageGenFleet extends pulumi.ComponentResource {
  /** Always `fleet`. */
  declare readonly target: pulumi.Output<"fleet">;
  /** The gateway's load balancer, which the API of one host answers at; null without a gateway. */
  declare readonly url: pulumi.Output<string | null>;
  /** The model, as it is configured. */
  declare readonly modelId: pulumi.Output<string>;
  declare readonly region: pulumi.Output<string>;
  /** Where jobs are sent to. */
  declare readonly queueUrl: pulumi.Output<string>;
  /** Where a job is that can't be made, with its reason. */
  declare readonly deadLetterQueueUrl: pulumi.Output<string>;
  /** `s3://bucket/prefix` of jobs and results. */
  declare readonly jobStore: pulumi.Output<string>;
  /** The Auto Scaling group of spot hosts, whose desired count may be raised from 0 by whoever sends a job. */
  declare readonly spotGroup: pulumi.Output<string>;
  /** The one of on-demand hosts; null without one. */
  declare readonly rescueGroup: pulumi.Output<string | null>;
  /** The policy of IAM that whoever sends jobs needs, as JSON. */
  declare readonly clientPolicy: pulumi.Output<string>;
  /** Where the hosts' parameter is in SSM: `/deployment`. */
  declare readonly parameterPrefix: pulumi.Output<string>;
  /** Changes with the image, the model or their environment; hosts are then replaced one after another. */
  declare readonly deploymentId: pulumi.Output<string>;
  /** The ECR repository. */
  declare readonly repositoryUrl: pulumi.Output<string>;
  /** Repository and digest. */
  declare readonly imageReference: pulumi.Output<string>;
  /** The digest alone. */
  declare readonly imageDigest: pulumi.Output<string>;
  /** In CloudWatch Logs. */
  declare readonly logGroup: pulumi.Output<string>;
  /** Of ECS, with the gateway's service; null without a gateway. */
  declare readonly gatewayCluster: pulumi.Output<string | null>;
  /** The service of ECS that runs the gateway; null without one. */
  declare readonly gatewayService: pulumi.Output<string | null>;

  #settled: (() => Promise<void>) | undefined;

  constructor(
    name: string,
    { tags = {}, ...args }: AwsImageGenFleetArgs = {},
    opts: pulumi.ComponentResourceOptions = {},
  ) {
    super("imagegen:index:AwsImageGenFleet", name, {}, withTags(name, tags, opts));
    const { outputs, settled } = whenKnown<FleetOutputs>(
      this,
      { ...args },
      FLEET_OUTPUTS,
      ({ dockerfile, buildContext, region, ...given }) => {
        const read = readArguments(name, "fleet", given, regionOf(region));
        const context = contextOf(this, name, read, { dockerfile, buildContext });
        return createFleet(planFleet(read.settings, context), context);
      },
    );
    this.#settled = settled;
    Object.assign(this, outputs);
    this.registerOutputs({ ...outputs });
  }

  /** Pulumi's constructor calls it, and waits for it where something depends on the component: its resources come after look-ups. */
  protected override async initialize(): Promise<void> {
    // This class's constructor has then ended.
    await Promise.resolve();
    await this.#settled?.();
  }
}
