import * as pulumi from "@pulumi/pulumi";
import { READY_PATH } from "../contract.ts";
import { onceReady, type ServiceOutputs } from "../outputs.ts";
import type { AwsPlan } from "../plan/aws/plan.ts";

/** What a stack on AWS exports besides. */
export interface AwsOutputs extends ServiceOutputs<"aws"> {
  readonly region: pulumi.Output<string>;
  readonly availabilityZone: pulumi.Output<string>;
  /** Null for a self-healing host. */
  readonly instanceId: pulumi.Output<string | null>;
  readonly volumeId: pulumi.Output<string>;
  /** Where the host's parameters lie: `/deployment` and `/ready`. */
  readonly parameterPrefix: pulumi.Output<string>;
  readonly deploymentId: pulumi.Output<string>;
  readonly repository: pulumi.Output<string>;
  readonly imageReference: pulumi.Output<string>;
  readonly imageDigest: pulumi.Output<string>;
  readonly logGroup: pulumi.Output<string>;
}

export interface AwsMade {
  readonly image: { readonly imageReference: pulumi.Output<string>; readonly repositoryUrl: pulumi.Output<string> };
  readonly cache: { readonly volumeId: pulumi.Output<string>; readonly availabilityZone: pulumi.Output<string> };
  readonly host: {
    readonly instanceId: pulumi.Output<string | null>;
    readonly deploymentId: pulumi.Output<string>;
    readonly logGroup: pulumi.Output<string>;
  };
  readonly access: { readonly url: pulumi.Output<string> } | null;
  readonly ready: pulumi.Output<void>;
}

export function awsOutputs(plan: AwsPlan, { image, cache, host, access, ready }: AwsMade): AwsOutputs {
  const whenReady = onceReady(ready);
  const url = access?.url ?? pulumi.output(plan.readiness.url);
  return {
    url: whenReady(url),
    readyUrl: whenReady(pulumi.interpolate`${url}${READY_PATH}`),
    target: whenReady(plan.target),
    modelId: whenReady(plan.modelId),
    modelCache: whenReady(plan.modelCache),
    imageName: whenReady(image.repositoryUrl),
    imageId: whenReady(image.imageReference),
    containerName: whenReady(plan.deployment.container),
    volumeName: whenReady(cache.volumeId),
    device: whenReady(plan.readiness.device),
    modelSource: whenReady(plan.modelCache),
    region: whenReady(plan.region),
    availabilityZone: whenReady(cache.availabilityZone),
    instanceId: whenReady(host.instanceId),
    volumeId: whenReady(cache.volumeId),
    parameterPrefix: whenReady(plan.host.parameters),
    deploymentId: whenReady(host.deploymentId),
    repository: whenReady(image.repositoryUrl),
    imageReference: whenReady(image.imageReference),
    imageDigest: whenReady(image.imageReference.apply((reference) => reference.split("@")[1] ?? "")),
    logGroup: whenReady(host.logGroup),
  };
}
