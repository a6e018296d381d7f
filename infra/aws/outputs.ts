import * as pulumi from "@pulumi/pulumi";
import { CONTAINER_NAME, READY_PATH } from "../contract.ts";
import { type OutputGate, onceReady, type ServiceOutputs, served } from "../outputs.ts";
import type { AwsPlan } from "../plan/aws/plan.ts";

/** What a stack on AWS exports besides. */
export interface AwsOutputs extends ServiceOutputs<"aws"> {
  /** The stack's `aws:region`. */
  readonly region: pulumi.Output<string>;
  /** Of the volume, and so of the host. */
  readonly availabilityZone: pulumi.Output<string>;
  /** Null for a self-healing host. */
  readonly instanceId: pulumi.Output<string | null>;
  /** The EBS volume with the cache. */
  readonly volumeId: pulumi.Output<string>;
  /** Where the host's parameters are: `/deployment` and `/ready`. */
  readonly parameterPrefix: pulumi.Output<string>;
  /** Changes with the image, the model or their environment; the host status names the one that runs. */
  readonly deploymentId: pulumi.Output<string>;
  /** The ECR repository. */
  readonly repositoryUrl: pulumi.Output<string>;
  /** Repository and digest. */
  readonly imageReference: pulumi.Output<string>;
  /** The digest alone. */
  readonly imageDigest: pulumi.Output<string>;
  /** In CloudWatch Logs. */
  readonly logGroup: pulumi.Output<string>;
}

/** What a stack on AWS is made of. */
export interface AwsResources extends OutputGate {
  readonly image: { readonly imageReference: pulumi.Output<string>; readonly repositoryUrl: pulumi.Output<string> };
  readonly cache: { readonly volumeId: pulumi.Output<string>; readonly availabilityZone: pulumi.Output<string> };
  readonly host: {
    readonly instanceId: pulumi.Output<string | null>;
    readonly deploymentId: pulumi.Output<string>;
    readonly logGroup: pulumi.Output<string>;
  };
  readonly loadBalancer: { readonly url: pulumi.Output<string> } | null;
}

export function awsOutputs(plan: AwsPlan, { image, cache, host, loadBalancer, ...gate }: AwsResources): AwsOutputs {
  const { modelCache, device } = served(gate, { modelCache: plan.modelCache, device: plan.readiness.device });
  const url = loadBalancer?.url ?? pulumi.output(plan.readiness.url);
  return onceReady(gate, {
    url,
    readyUrl: pulumi.interpolate`${url}${READY_PATH}`,
    target: plan.target,
    modelId: plan.modelId,
    modelCache,
    containerName: CONTAINER_NAME,
    device,
    region: plan.region,
    availabilityZone: cache.availabilityZone,
    instanceId: host.instanceId,
    volumeId: cache.volumeId,
    parameterPrefix: plan.host.parameters,
    deploymentId: host.deploymentId,
    repositoryUrl: image.repositoryUrl,
    imageReference: image.imageReference,
    imageDigest: image.imageReference.apply((reference) => reference.split("@")[1] ?? ""),
    logGroup: host.logGroup,
  });
}
