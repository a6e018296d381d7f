import { hostSettings } from "../../config/fleet/host-settings.ts";
import { sendsWebhooks } from "../../config/fleet/rules.ts";
import type { FleetSettings } from "../../config/fleet/settings.ts";
import type { Problem } from "../../config/problem.ts";
import type { ModelCache } from "../../config/settings.ts";
import { SERVICE_NAME, WORK_COMMAND } from "../../contract.ts";
import type { CostPlan } from "../aws/cost.ts";
import { type AwsDeploymentPlan, planDeployment } from "../aws/deployment.ts";
import { planRegistryImage, type RegistryImagePlan } from "../aws/image.ts";
import { modelProblems } from "../aws/plan.ts";
import { imageBytes } from "../aws/startup.ts";
import { planDataVolume } from "../aws/volume.ts";
import { planImage } from "../image.ts";
import { gpuMemoryNeededMib, type Manifest, type ModelSize, modelSize } from "../manifest.ts";
import { type BudgetPlan, planBudget } from "../prices/budget.ts";
import { type Prices, TABLE_PRICES } from "../prices/prices.ts";
import { modelPath } from "../service-environment.ts";
import { type LoadCost, PICTURES_PER_MONTH, planFleetCost } from "./cost.ts";
import { type FleetForecast, forecastFleet } from "./forecast.ts";
import { type GatewayPlan, gatewayProblemsOf, gatewayWarnings, planGateway } from "./gateway.ts";
import { type FleetHostsPlan, fleetTypeProblems, fleetTypeWarnings, planFleetHosts } from "./hosts.ts";
import { type JobsPlan, planJobs } from "./jobs.ts";
import { type FleetNetworkPlan, planFleetNetwork } from "./network.ts";
import { type FleetAlarm, planFleetAlarms, planScaling, type ScalingPlan } from "./scaling.ts";

/** All decisions of one fleet. */
export interface FleetPlan {
  readonly target: "fleet";
  readonly region: string;
  readonly stack: string;
  readonly modelId: string;
  readonly modelCache: ModelCache;
  /** Bytes of the model, and whether that is known. */
  readonly model: {
    readonly modelBytes: number;
    readonly modelBytesSource: ModelSize["source"];
    readonly loraBytes: number;
  };
  readonly image: RegistryImagePlan;
  readonly jobs: JobsPlan;
  readonly hosts: FleetHostsPlan;
  readonly network: FleetNetworkPlan;
  /** Null: there is none. */
  readonly gateway: GatewayPlan | null;
  readonly scaling: ScalingPlan;
  readonly alarms: readonly FleetAlarm[];
  /** Null: none is made. */
  readonly budget: BudgetPlan | null;
  /** What a worker is to run, but for the image and the addresses of queue and store. */
  readonly deployment: AwsDeploymentPlan;
  /** What the model needs of a GPU; 0: any will do. */
  readonly gpuMemoryMib: number;
  readonly forecast: FleetForecast;
  readonly cost: CostPlan;
  readonly load: LoadCost;
  readonly warnings: readonly string[];
}

/** What only a forecast of costs needs. */
export interface LoadForecast {
  readonly prices?: Prices;
  readonly seconds?: number | undefined;
  readonly idleShare?: number | undefined;
  readonly pictures?: number | undefined;
}

export function makeFleetPlan(
  settings: FleetSettings,
  manifest: Manifest | null,
  stack: string,
  { prices = TABLE_PRICES, seconds, idleShare, pictures = PICTURES_PER_MONTH }: LoadForecast = {},
): FleetPlan {
  const of = hostSettings(settings);
  const model = modelSize(of, manifest);
  const bytes = imageBytes(settings.modelCache, model);
  const secondsPerPicture = seconds ?? settings.secondsPerPicture;
  const forecast = forecastFleet({
    model,
    imageBytes: bytes,
    baked: settings.modelCache === "baked",
    secondsPerPicture,
  });
  const hosts = planFleetHosts(settings, stack, bytes, forecast.warmUpSeconds);
  const jobs = planJobs(settings);
  const network = planFleetNetwork(settings, stack);
  const gateway = planGateway(settings, stack, bytes);
  const scaling = planScaling(settings);
  const alarms = planFleetAlarms(settings);
  const { cost, load } = planFleetCost({
    hosts,
    network,
    jobs,
    gateway,
    forecast,
    imageBytes: bytes,
    alarmMetrics: metricsOfAlarms(scaling, alarms),
    sendsWebhooks: sendsWebhooks(settings),
    secondsPerPicture,
    idleMinutes: settings.idleMinutes,
    picturesPerMonth: pictures,
    idleShare: idleShare ?? null,
    prices,
  });
  return {
    target: "fleet",
    region: settings.region,
    stack,
    modelId: modelPath(of) ?? settings.modelId,
    modelCache: settings.modelCache,
    model: { modelBytes: model.bytes, modelBytesSource: model.source, loraBytes: model.loraBytes },
    image: planRegistryImage(planImage({ ...of, imageName: SERVICE_NAME }, "all"), {
      builder: settings.builder,
      platform: settings.imagePlatform,
      kmsKeyArn: settings.kmsKeyArn,
      retain: settings.imagesOnDestroy === "retain",
      withoutPassword: settings.previewWithoutSecrets,
    }),
    jobs,
    hosts,
    network,
    gateway,
    scaling,
    alarms,
    budget: planBudget(of, stack),
    deployment: { ...planDeployment(of, stack), command: WORK_COMMAND },
    gpuMemoryMib: gpuMemoryNeededMib(model, manifest),
    forecast,
    cost,
    load,
    warnings: [...warningsFor(settings, forecast), ...fleetTypeWarnings(hosts), ...gatewayWarnings(settings)],
  };
}

/** What of config and manifest can't work, reported before anything is made. */
export function fleetProblemsOf(
  settings: FleetSettings,
  plan: FleetPlan,
  manifest: Manifest | null,
): readonly Problem[] {
  const { hosts, gpuMemoryMib, model, deployment } = plan;
  const of = hostSettings(settings);
  // No volume is made: one that holds any model asks nothing of its size.
  const volume = {
    ...planDataVolume(of, { bytes: 0, loraBytes: 0, source: "demo" }, hosts.host.instanceType),
    leastGib: null,
  };
  return [
    ...fleetTypeProblems(hosts, { gpuMemoryMib, modelBytes: model.modelBytes }),
    ...modelProblems(of, { volume, deployment }, manifest),
    ...gatewayProblemsOf(plan.gateway),
  ];
}

/** Each metric of an alarm is paid for; CloudWatch makes two alarms of a policy that tracks a target. */
function metricsOfAlarms({ rules, tracking }: ScalingPlan, alarms: readonly FleetAlarm[]): number {
  const own = [...rules.map(({ trigger }) => trigger), ...alarms.map(({ trigger }) => trigger)];
  return own.reduce((sum, { series }) => sum + series.length, HOST_ALARM_METRICS + 2 * tracking.series.length);
}

/** Of what hosts say of themselves: GPU lost, Xid errors, an unhealthy service, a full disk. */
const HOST_ALARM_METRICS = 4;

function warningsFor(settings: FleetSettings, { zeroSeconds }: FleetForecast): string[] {
  const { minHosts, rescueHosts, patienceSeconds, modelCache, modelMirror } = settings;
  return [
    ...(minHosts === 0 && rescueHosts > 0 && patienceSeconds < zeroSeconds
      ? [
          `patienceSeconds ${patienceSeconds} is less than the ${zeroSeconds} s that a start from zero is estimated to take: each one calls an on-demand host besides.`,
        ]
      : []),
    ...(modelCache === "volume" && modelMirror === null
      ? ["There is no modelMirror: each new host downloads the model from the Hub."]
      : []),
  ];
}
