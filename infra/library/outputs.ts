import type { FleetOutputs } from "../aws/fleet/outputs.ts";
import type { AwsOutputs } from "../aws/outputs.ts";
import type { LocalOutputs } from "../docker/outputs.ts";

/** What `LocalImageGen` has as fields. */
const LOCAL = {
  url: true,
  readyUrl: true,
  target: true,
  modelId: true,
  modelCache: true,
  containerName: true,
  device: true,
  imageName: true,
  imageId: true,
  volumeName: true,
} satisfies Record<keyof LocalOutputs, true>;
export const LOCAL_OUTPUTS = Object.keys(LOCAL) as readonly (keyof LocalOutputs)[];

/** What `AwsImageGen` has as fields. */
const AWS = {
  url: true,
  readyUrl: true,
  target: true,
  modelId: true,
  modelCache: true,
  containerName: true,
  device: true,
  region: true,
  availabilityZone: true,
  instanceId: true,
  volumeId: true,
  parameterPrefix: true,
  deploymentId: true,
  repositoryUrl: true,
  imageReference: true,
  imageDigest: true,
  logGroup: true,
} satisfies Record<keyof AwsOutputs, true>;
export const AWS_OUTPUTS = Object.keys(AWS) as readonly (keyof AwsOutputs)[];

/** What `AwsImageGenFleet` has as fields. */
const FLEET = {
  target: true,
  url: true,
  modelId: true,
  region: true,
  queueUrl: true,
  deadLetterQueueUrl: true,
  jobStore: true,
  spotGroup: true,
  rescueGroup: true,
  clientPolicy: true,
  parameterPrefix: true,
  deploymentId: true,
  repositoryUrl: true,
  imageReference: true,
  imageDigest: true,
  logGroup: true,
  gatewayCluster: true,
  gatewayService: true,
} satisfies Record<keyof FleetOutputs, true>;
export const FLEET_OUTPUTS = Object.keys(FLEET) as readonly (keyof FleetOutputs)[];
