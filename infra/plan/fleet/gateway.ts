import { gatewaySettings } from "../../config/fleet/host-settings.ts";
import type { FleetSettings } from "../../config/fleet/settings.ts";
import { type Problem, qualifyKey } from "../../config/problem.ts";
import { GATEWAY_COMMAND, HARDENING, HEALTH_PATH, STOP_SECONDS } from "../../contract.ts";
import { planDeployment } from "../aws/deployment.ts";
import { type LoadBalancerPlan, planLoadBalancer } from "../aws/load-balancer.ts";

/** The gateway on Fargate: so many tasks of one container behind a load balancer. */
export interface GatewayPlan {
  readonly count: number;
  /** Fargate's units: 1024 are a vCPU. */
  readonly cpuUnits: number;
  readonly memoryMib: number;
  /** Of a task's disk, which the image has to fit on twice: as it is pulled, and unpacked. */
  readonly diskGib: number;
  /** The name that all versions of the task's definition have. */
  readonly family: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Names of variables whose values are secrets, with the secret's ARN. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly user: string;
  readonly capabilitiesDropped: readonly string[];
  readonly stopSeconds: number;
  readonly loadBalancer: LoadBalancerPlan;
}

/** Half a processor signs, parses and encodes; a picture is a few MB that pass through. */
const CPU_UNITS = 512;
/** `image-gen gateway` takes 75 MiB without a request, as it imports no torch; the least that Fargate has for half a processor. */
const MEMORY_MIB = 1024;
/** What Fargate has without a charge. */
export const FREE_DISK_GIB = 20;
const MOST_DISK_GIB = 200;
/** The image as it is pulled and unpacked, and uploads in `/tmp`. */
const IMAGES_ON_DISK = 2;
const SPARE_GIB = 2;
const GIB = 2 ** 30;

/** Null: there is none, and programs use SQS and S3 themselves. */
export function planGateway(settings: FleetSettings, stack: string, imageBytes: number): GatewayPlan | null {
  if (settings.gatewayCount === 0) return null;
  const of = gatewaySettings(settings);
  const loadBalancer = planLoadBalancer(of, {
    // A queue or a store that fails ends no task: another one would have the same.
    readyPath: HEALTH_PATH,
    targetType: "ip",
    // ECS first lets the balancer send no more, and only then ends the container, which then has as long again.
    deregistrationSeconds: STOP_SECONDS,
  });
  if (loadBalancer === null) return null;
  const { environment, secrets } = planDeployment(of, stack);
  const needed = Math.ceil((IMAGES_ON_DISK * imageBytes) / GIB) + SPARE_GIB;
  return {
    count: settings.gatewayCount,
    cpuUnits: CPU_UNITS,
    memoryMib: MEMORY_MIB,
    diskGib: Math.max(FREE_DISK_GIB, needed),
    family: `imagegen-${stack}-gateway`.replace(/[^\w-]/g, "-"),
    command: GATEWAY_COMMAND,
    environment: { AWS_REGION: settings.region, ...environment },
    secrets,
    user: HARDENING.user,
    capabilitiesDropped: HARDENING.capabilitiesDropped,
    stopSeconds: STOP_SECONDS,
    loadBalancer,
  };
}

/** An image that no task of Fargate has room for: one with a very large model in it. */
export function gatewayProblemsOf(gateway: GatewayPlan | null): readonly Problem[] {
  if (gateway === null || gateway.diskGib <= MOST_DISK_GIB) return [];
  return [
    {
      path: qualifyKey("modelCache"),
      expected: `volume with a gateway, whose tasks have ${MOST_DISK_GIB} GiB for the image at most`,
      got: `an image that takes ${gateway.diskGib} GiB`,
      fix: { set: "modelCache", value: "volume" },
    },
  ];
}

/** Keys that are set and do nothing, as there is no gateway. */
export function gatewayWarnings(settings: FleetSettings): readonly string[] {
  if (settings.gatewayCount > 0) return [];
  const { certificateArn, allowedCidrs, albSubnetIds, apiKeySecretArn, allowedHosts, corsOrigins } = settings;
  const keys = { certificateArn, allowedCidrs, albSubnetIds, apiKeySecretArn, allowedHosts, corsOrigins };
  const set = Object.entries(keys).flatMap(([key, value]) => (value?.length ? [key] : []));
  if (settings.pictureUrlSeconds > 0) set.push("pictureUrlSeconds");
  if (set.length === 0) return [];
  return [`gatewayCount is 0: there is no gateway, and no use for ${set.join(", ")}.`];
}
