import type { AwsSettings } from "../../config/aws/settings.ts";
import { type Problem, qualifyKey } from "../../config/problem.ts";
import { SERVICE_NAME } from "../../contract.ts";
import { planImage } from "../image.ts";
import { type Manifest, modelSize } from "../manifest.ts";
import { type CostPlan, planCost } from "./cost.ts";
import { type AwsDeploymentPlan, planDeployment } from "./deployment.ts";
import { type AwsHostPlan, planAwsHost } from "./host.ts";
import { planRegistryImage, type RegistryImagePlan } from "./image.ts";
import { INSTANCE_TYPES, LEAST_GPU_MEMORY_MIB } from "./instance-types.ts";
import { type AwsAccessPlan, planAccess } from "./load-balancer.ts";
import { type AwsNetworkPlan, planNetwork } from "./network.ts";
import { type AwsReadinessPlan, planAwsReadiness } from "./readiness.ts";
import { type AwsStartUpPlan, imageBytes, planAwsStartUp } from "./startup.ts";
import { type DataVolumePlan, planDataVolume, planSnapshots, type SnapshotPlan } from "./volume.ts";

/** All decisions of one stack on AWS. */
export interface AwsPlan {
  readonly target: "aws";
  readonly region: string;
  readonly stack: string;
  readonly modelId: string;
  readonly modelCache: AwsSettings["modelCache"];
  readonly image: RegistryImagePlan;
  readonly volume: DataVolumePlan;
  /** Null: none are made. */
  readonly snapshots: SnapshotPlan | null;
  readonly network: AwsNetworkPlan;
  readonly host: AwsHostPlan;
  readonly deployment: AwsDeploymentPlan;
  readonly access: AwsAccessPlan | null;
  readonly readiness: AwsReadinessPlan;
  readonly startUp: AwsStartUpPlan;
  readonly cost: CostPlan;
  /** What works, but not as its numbers promise. */
  readonly notes: readonly string[];
}

export function makeAwsPlan(settings: AwsSettings, manifest: Manifest | null, stack: string): AwsPlan {
  const model = modelSize(settings, manifest);
  const bytes = imageBytes(settings.modelCache, model);
  const volume = planDataVolume(settings, model);
  const network = planNetwork(settings);
  const host = planAwsHost(settings, stack, bytes);
  const access = planAccess(settings);
  const snapshots = planSnapshots(settings, stack);
  const type = INSTANCE_TYPES[host.instanceType] ?? null;
  const startUp = planAwsStartUp(settings.modelCache, model, volume, type);
  return {
    target: "aws",
    region: settings.region,
    stack,
    modelId: settings.modelId,
    modelCache: settings.modelCache,
    image: planRegistryImage(planImage({ ...settings, imageName: SERVICE_NAME }), {
      builder: settings.builder,
      platform: settings.imagePlatform,
      kmsKeyArn: settings.kmsKeyArn,
      retain: false,
    }),
    volume,
    snapshots,
    network,
    host,
    deployment: planDeployment(settings),
    access,
    readiness: planAwsReadiness(settings, stack, manifest, model, bytes),
    startUp,
    cost: planCost({ host, volume, network, access, imageBytes: bytes, snapshots }),
    notes: notesOf(host, startUp),
  };
}

/** Instance types of the list that can't serve the model; for an unknown type AWS decides. */
export function instanceTypeProblems({ host }: Pick<AwsPlan, "host">): readonly Problem[] {
  return host.instanceTypes.flatMap((name) => {
    const memory = INSTANCE_TYPES[name]?.gpuMemoryMib ?? Number.POSITIVE_INFINITY;
    if (memory >= LEAST_GPU_MEMORY_MIB) return [];
    return [
      {
        path: qualifyKey("instanceTypes"),
        expected: `GPUs with ${LEAST_GPU_MEMORY_MIB} MiB or more`,
        got: `${name} with ${memory} MiB`,
        fix: { set: "instanceTypes", value: "g6.xlarge,g5.xlarge" },
      },
    ];
  });
}

function notesOf(host: AwsHostPlan, startUp: AwsStartUpPlan): string[] {
  const type = INSTANCE_TYPES[host.instanceType];
  if (!type)
    return [`${host.instanceType} is not in the table: its GPU, its disk's speed and its price are not judged.`];
  if (!startUp.burst) return [];
  return [
    `${host.instanceType} reads its disk at ${startUp.readMbps} MB/s for half an hour a day only, then at ` +
      `${type.ebsBaselineMbps} MB/s; a bigger type sustains more.`,
  ];
}
