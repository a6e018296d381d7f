import type { AwsSettings } from "../../config/aws/settings.ts";
import { type Problem, qualifyKey } from "../../config/problem.ts";
import { TOKEN_KEY } from "../../config/schema.ts";
import type { ModelCache } from "../../config/settings.ts";
import { SERVICE_NAME, TOKEN_VARIABLE } from "../../contract.ts";
import { planImage } from "../image.ts";
import { gpuMemoryNeededMib, type Manifest, modelSize } from "../manifest.ts";
import { type BudgetPlan, planBudget } from "../prices/budget.ts";
import { type PictureCostPlan, planPictureCost } from "../prices/picture-cost.ts";
import { type Prices, TABLE_PRICES } from "../prices/prices.ts";
import { modelPath } from "../service-environment.ts";
import { type CostPlan, planCost } from "./cost.ts";
import { type AwsDeploymentPlan, planDeployment } from "./deployment.ts";
import { type AwsHostPlan, planAwsHost } from "./host.ts";
import { planRegistryImage, type RegistryImagePlan } from "./image.ts";
import { BASE_THROUGHPUT_MIB, INSTANCE_STORE_GB, INSTANCE_TYPES, smallInstanceStores } from "./instance-types.ts";
import { type LoadBalancerPlan, planLoadBalancer } from "./load-balancer.ts";
import { type AwsNetworkPlan, planNetwork } from "./network.ts";
import { type AwsReadinessPlan, planAwsReadiness } from "./readiness.ts";
import {
  type AwsStartupEstimate,
  estimateAwsStartup,
  estimateInstanceStore,
  type InstanceStoreEstimate,
  imageBytes,
} from "./startup.ts";
import { type DataVolumePlan, planDataVolume, planSnapshots, type SnapshotPlan } from "./volume.ts";

/** All decisions of one stack on AWS. */
export interface AwsPlan {
  readonly target: "aws";
  readonly region: string;
  readonly stack: string;
  readonly modelId: string;
  readonly modelCache: ModelCache;
  readonly image: RegistryImagePlan;
  readonly volume: DataVolumePlan;
  /** Null: none are made. */
  readonly snapshots: SnapshotPlan | null;
  /** Null: none is made. */
  readonly budget: BudgetPlan | null;
  readonly network: AwsNetworkPlan;
  readonly host: AwsHostPlan;
  /** What the model needs of a GPU; 0: any will do. */
  readonly gpuMemoryMib: number;
  readonly deployment: AwsDeploymentPlan;
  readonly loadBalancer: LoadBalancerPlan | null;
  readonly readiness: AwsReadinessPlan;
  readonly startupEstimate: AwsStartupEstimate;
  /** Null: the model is not one of the volume's cache, or what the instance type has is not known. */
  readonly instanceStore: InstanceStoreEstimate | null;
  readonly cost: CostPlan;
  readonly pictureCost: PictureCostPlan;
  /** What limits the host that was chosen. */
  readonly warnings: readonly string[];
}

/** What only a forecast of costs needs. */
export interface CostForecast {
  readonly prices?: Prices;
  /** Measured seconds of a picture. */
  readonly seconds?: number | undefined;
  readonly idleShare?: number | undefined;
}

export function makeAwsPlan(
  settings: AwsSettings,
  manifest: Manifest | null,
  stack: string,
  { prices = TABLE_PRICES, seconds, idleShare }: CostForecast = {},
): AwsPlan {
  const path = modelPath(settings);
  const modelId = path ?? settings.modelId;
  const model = modelSize(settings, manifest);
  const bytes = imageBytes(settings.modelCache, model);
  const network = planNetwork(settings, stack);
  const host = planAwsHost(settings, stack, bytes);
  const volume = planDataVolume(settings, model, host.instanceType);
  const loadBalancer = planLoadBalancer(settings);
  const snapshots = planSnapshots(settings, stack);
  const type = INSTANCE_TYPES[host.instanceType] ?? null;
  const startupEstimate = estimateAwsStartup(settings.modelCache, model, volume, type);
  const gpuMemoryMib = gpuMemoryNeededMib(model, manifest);
  const cost = planCost({ host, volume, network, loadBalancer, imageBytes: bytes, snapshots, prices });
  return {
    target: "aws",
    region: settings.region,
    stack,
    modelId,
    modelCache: settings.modelCache,
    image: planRegistryImage(planImage({ ...settings, imageName: SERVICE_NAME }, "all"), {
      builder: settings.builder,
      platform: settings.imagePlatform,
      kmsKeyArn: settings.kmsKeyArn,
      retain: settings.imagesOnDestroy === "retain",
      withoutPassword: settings.previewWithoutSecrets,
    }),
    volume,
    snapshots,
    budget: planBudget(settings, stack),
    network,
    host,
    gpuMemoryMib,
    deployment: planDeployment(settings, stack),
    loadBalancer,
    readiness: planAwsReadiness(settings, stack, manifest, model, bytes),
    startupEstimate,
    instanceStore:
      settings.modelCache === "baked" || path !== null
        ? null
        : estimateInstanceStore(startupEstimate, {
            instanceType: host.instanceType,
            type,
            enabled: host.instanceStore,
            hasMirror: host.mirror !== null,
          }),
    cost,
    pictureCost: planPictureCost(
      {
        modelId: path ?? manifest?.id ?? modelId,
        instanceType: host.instanceType,
        gpuMemoryMib,
        market: host.purchaseOption,
        region: host.region,
        seconds: seconds ?? null,
        idleShare: idleShare ?? null,
        hostUsdPerMonth: cost.incomplete ? null : cost.runningUsdPerMonth - cost.stoppedUsdPerMonth,
      },
      prices,
    ),
    warnings: warningsFor(host, volume, startupEstimate),
  };
}

/** Instance types of the list that can't serve the model, or keep a copy of it; for an unknown type AWS decides. */
export function instanceTypeProblems({
  host,
  gpuMemoryMib,
  startupEstimate: { modelBytes },
}: Pick<AwsPlan, "host" | "gpuMemoryMib" | "startupEstimate">): readonly Problem[] {
  const small = host.instanceStore ? smallInstanceStores(host.instanceTypes, modelBytes) : [];
  const stores = small.map(({ type, gb }) => ({
    path: qualifyKey("instanceStoreCache"),
    expected: `instanceTypes whose instance store has ${Math.ceil(modelBytes / 1e9)} GB or more, for this model`,
    got: `${type} with ${gb} GB`,
    fix: { set: "instanceStoreCache", value: "false" },
  }));
  const gpus = host.instanceTypes.flatMap((name) => {
    const memory = INSTANCE_TYPES[name]?.gpuMemoryMib ?? Number.POSITIVE_INFINITY;
    if (memory >= gpuMemoryMib) return [];
    return [
      {
        path: qualifyKey("instanceTypes"),
        expected: `GPUs with ${gpuMemoryMib} MiB or more, for this model`,
        got: `${name} with ${memory} MiB`,
        fix: { set: "instanceTypes", value: "g6.xlarge,g5.xlarge" },
      },
    ];
  });
  return [...gpus, ...stores];
}

/** What only a preview may be given. */
export function updateProblems({
  previewWithoutSecrets,
}: Pick<AwsSettings, "previewWithoutSecrets">): readonly Problem[] {
  if (!previewWithoutSecrets) return [];
  const fix = { unset: "previewWithoutSecrets" };
  return [{ path: qualifyKey("previewWithoutSecrets"), expected: "false for an update", got: "true", fix }];
}

/** What of config and manifest can't work, reported before anything is made. */
export function modelProblems(
  settings: AwsSettings,
  { volume, deployment }: Pick<AwsPlan, "volume" | "deployment">,
  manifest: Manifest | null,
) {
  return [...volumeSizeProblems(volume), ...tokenProblems(settings, manifest), ...environmentProblems(deployment)];
}

/** Bytes of a parameter of the standard tier, and what the image's reference and the id take of them at most. */
const PARAMETER_BYTES = 4096;
const REFERENCE_BYTES = 400;

/** The host reads its environment from a parameter. */
function environmentProblems(deployment: AwsDeploymentPlan): readonly Problem[] {
  const bytes = Buffer.byteLength(JSON.stringify(deployment)) + REFERENCE_BYTES;
  if (bytes <= PARAMETER_BYTES) return [];
  const expected = `all variables of the service in ${PARAMETER_BYTES - REFERENCE_BYTES} bytes, what a parameter of Systems Manager holds`;
  const fix = { text: `remove ${bytes - PARAMETER_BYTES} bytes or more from environment and environmentSecretArns` };
  return [{ path: qualifyKey("environment"), expected, got: `${bytes - REFERENCE_BYTES} bytes`, fix }];
}

/** A new volume that the model does not fit on; the size of an existing one is not known here. */
function volumeSizeProblems({ existingVolumeId, sizeGib, leastGib }: DataVolumePlan): readonly Problem[] {
  if (existingVolumeId !== null || leastGib === null || sizeGib >= leastGib) return [];
  const expected = `${leastGib} or more, for this model`;
  const path = qualifyKey("volumeSizeGb");
  return [{ path, expected, got: String(sizeGib), fix: { set: "volumeSizeGb", value: String(leastGib) } }];
}

/** A gated model without the token that its download needs: on the host, or in the build. */
function tokenProblems(settings: AwsSettings, manifest: Manifest | null): readonly Problem[] {
  // A copy of the config for a preview has no secret.
  if (manifest?.gated !== true || modelPath(settings) !== null || settings.previewWithoutSecrets) return [];
  if (settings.modelMirror !== null || hasToken(settings)) return [];
  const expected = `a token, for ${manifest.id} is gated: accept its terms at https://huggingface.co/${manifest.id}`;
  if (settings.modelCache === "baked") {
    const fix = { secret: TOKEN_KEY, variable: TOKEN_VARIABLE };
    return [{ path: qualifyKey(TOKEN_KEY), expected, got: "none", fix }];
  }
  const fix = { set: "hfTokenSecretArn", value: "arn:aws:secretsmanager:…" };
  return [{ path: qualifyKey("hfTokenSecretArn"), expected, got: "none", fix }];
}

/** Whether the download has a token, where it happens. */
export function hasToken({ modelCache, secretKeys, hfTokenSecretArn, environmentSecretArns }: AwsSettings): boolean {
  if (modelCache === "baked") return secretKeys.includes(TOKEN_KEY);
  return hfTokenSecretArn !== null || TOKEN_VARIABLE in environmentSecretArns;
}

function warningsFor(host: AwsHostPlan, volume: DataVolumePlan, startupEstimate: AwsStartupEstimate): string[] {
  const type = INSTANCE_TYPES[host.instanceType];
  if (!type)
    return [`${host.instanceType} is not in the table: its GPU, its disk's speed and its price are not known.`];
  const stores = host.instanceStore && INSTANCE_STORE_GB[host.instanceType] === undefined ? [unknownStore(host)] : [];
  // What is free is no purchase.
  if (!startupEstimate.burst || volume.throughputMib <= BASE_THROUGHPUT_MIB) return stores;
  return [
    ...stores,
    `${host.instanceType} reads its disk at ${startupEstimate.readMbps} MB/s for half an hour a day only, then at ` +
      `${type.ebsBaselineMbps} MB/s; a bigger type sustains more.`,
  ];
}

const unknownStore = ({ instanceType }: AwsHostPlan) =>
  `${instanceType} is not in the table of instance stores: without an NVMe disk of its own a host loads the model from its volume.`;
