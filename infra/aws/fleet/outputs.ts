import * as pulumi from "@pulumi/pulumi";
import type { FleetPlan } from "../../plan/fleet/plan.ts";
import { policyDocument } from "../iam.ts";
import type { FleetHosts } from "./fleet-hosts.ts";
import { clientStatements } from "./fleet-policy.ts";
import type { FleetGateway } from "./gateway.ts";
import type { JobQueue } from "./job-queue.ts";
import type { JobStore } from "./job-store.ts";

/** What a fleet exports. Its hosts come with jobs: no output waits for one. */
export interface FleetOutputs {
  readonly target: pulumi.Output<"fleet">;
  /** The gateway's load balancer, which the API of one host answers at; null without a gateway. */
  readonly url: pulumi.Output<string | null>;
  /** The model, as it is configured. */
  readonly modelId: pulumi.Output<string>;
  /** The stack's `aws:region`. */
  readonly region: pulumi.Output<string>;
  /** Where jobs are sent to. */
  readonly queueUrl: pulumi.Output<string>;
  /** Where a job is that can't be made, with its reason. */
  readonly deadLetterQueueUrl: pulumi.Output<string>;
  /** `s3://bucket/prefix` of jobs and results. */
  readonly jobStore: pulumi.Output<string>;
  /** The Auto Scaling group of spot hosts, whose desired count may be raised from 0 by whoever sends a job. */
  readonly spotGroup: pulumi.Output<string>;
  /** The one of on-demand hosts; null without one. */
  readonly rescueGroup: pulumi.Output<string | null>;
  /** The policy of IAM that whoever sends jobs needs, as JSON. */
  readonly clientPolicy: pulumi.Output<string>;
  /** Where the hosts' parameter is: `/deployment`. */
  readonly parameterPrefix: pulumi.Output<string>;
  /** Changes with the image, the model or their environment; hosts are then replaced one after another. */
  readonly deploymentId: pulumi.Output<string>;
  /** The ECR repository. */
  readonly repositoryUrl: pulumi.Output<string>;
  /** Repository and digest. */
  readonly imageReference: pulumi.Output<string>;
  /** The digest alone. */
  readonly imageDigest: pulumi.Output<string>;
  /** In CloudWatch Logs. */
  readonly logGroup: pulumi.Output<string>;
  /** Of ECS, with the gateway's service; null without a gateway. */
  readonly gatewayCluster: pulumi.Output<string | null>;
  /** The service of ECS that runs the gateway; null without one. */
  readonly gatewayService: pulumi.Output<string | null>;
}

/** What a fleet is made of. */
export interface FleetResources {
  readonly image: { readonly imageReference: pulumi.Output<string>; readonly repositoryUrl: pulumi.Output<string> };
  readonly queue: JobQueue;
  readonly store: JobStore;
  readonly hosts: FleetHosts;
  readonly gateway: FleetGateway | null;
}

export function fleetOutputs(plan: FleetPlan, { image, queue, store, hosts, gateway }: FleetResources): FleetOutputs {
  const arns = pulumi.output({
    queueArn: queue.arn,
    bucketArn: store.bucketArn,
    groupArn: hosts.groups.spot.arn,
  });
  return {
    target: pulumi.output(plan.target),
    url: gateway?.url ?? pulumi.output(null),
    modelId: pulumi.output(plan.modelId),
    region: pulumi.output(plan.region),
    queueUrl: queue.url,
    deadLetterQueueUrl: queue.deadLettersUrl,
    jobStore: store.address,
    spotGroup: hosts.groups.spot.name,
    rescueGroup: hosts.groups.rescue?.name ?? pulumi.output(null),
    clientPolicy: arns.apply((known) => policyDocument(clientStatements(plan.jobs, known, plan.region))),
    parameterPrefix: pulumi.output(plan.hosts.host.parameters),
    deploymentId: hosts.deploymentId,
    repositoryUrl: image.repositoryUrl,
    imageReference: image.imageReference,
    imageDigest: image.imageReference.apply((reference) => reference.split("@")[1] ?? ""),
    logGroup: hosts.logGroup,
    gatewayCluster: gateway?.clusterName ?? pulumi.output(null),
    gatewayService: gateway?.serviceName ?? pulumi.output(null),
  };
}
