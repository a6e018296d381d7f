import type { AwsSettings } from "../../config/aws/settings.ts";
import { parameterPrefix } from "../../contract.ts";
import { mirrorOf } from "./network.ts";

/** The machine with the GPU, and what stands around it. */
export interface AwsHostPlan {
  readonly region: string;
  readonly stack: string;
  /** Where this stack's parameters lie: `<prefix>/deployment` and `<prefix>/ready`. */
  readonly parameters: string;
  readonly logGroup: string;
  readonly logRetentionDays: number;
  readonly instanceType: string;
  /** The type to use, and then the others that would do: a self-healing host is one of them. */
  readonly instanceTypes: readonly string[];
  readonly market: "on-demand" | "spot";
  readonly spotFallback: boolean;
  readonly createFirst: boolean;
  readonly selfHealing: boolean;
  /** A pinned image; null: `amiParameter` says it at the first deploy. */
  readonly amiId: string | null;
  readonly amiParameter: string;
  readonly root: {
    readonly deviceName: string;
    readonly sizeGib: number;
    readonly iops: number;
    readonly throughputMib: number;
  };
  readonly kmsKeyArn: string | null;
  /** Only a disk that this stack makes blank may be formatted. */
  readonly formatIfBlank: boolean;
  readonly idleStopMinutes: number;
  readonly endpointsOnly: boolean;
  readonly publishAddress: "127.0.0.1" | "0.0.0.0";
  readonly mirror: { readonly bucket: string; readonly prefix: string } | null;
  readonly secretArns: readonly string[];
  readonly alarmTopicArn: string | null;
}

/** What Amazon, or NVIDIA through it, publishes as each image's newest id, and how such an image names its root disk. */
const AMIS = {
  "ecs-gpu-al2023": {
    parameter: "/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id",
    root: "/dev/xvda",
    usedGib: 30,
  },
  "dlami-ubuntu-24.04": {
    parameter: "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id",
    root: "/dev/sda1",
    usedGib: 75,
  },
} as const;

const GIB = 2 ** 30;
const LEAST_ROOT_GIB = 60;
/** An image lies there twice while the next one is pulled, and packed besides. */
const IMAGES_ON_ROOT = 3;

export function planAwsHost(settings: AwsSettings, stack: string, imageBytes: number): AwsHostPlan {
  const ami = AMIS[settings.ami];
  const parameters = parameterPrefix(stack);
  const needed = ami.usedGib + Math.ceil((IMAGES_ON_ROOT * imageBytes) / GIB);
  const chosen = settings.instanceType ?? settings.instanceTypes[0] ?? "";
  return {
    region: settings.region,
    stack,
    parameters,
    logGroup: parameters,
    logRetentionDays: settings.logRetentionDays,
    instanceType: chosen,
    instanceTypes: [...new Set([chosen, ...settings.instanceTypes])],
    market: settings.market ?? (settings.capacity === "on-demand" ? "on-demand" : "spot"),
    spotFallback: settings.capacity === "spot-then-on-demand" && settings.market === null,
    createFirst: settings.replacement === "create-first",
    selfHealing: settings.selfHealing,
    amiId: settings.amiId,
    amiParameter: ami.parameter,
    root: {
      deviceName: ami.root,
      sizeGib: settings.rootSizeGb ?? Math.max(LEAST_ROOT_GIB, needed),
      iops: 3000,
      throughputMib: 500,
    },
    kmsKeyArn: settings.kmsKeyArn,
    formatIfBlank: settings.volumeId === null && settings.volumeSnapshotId === null,
    idleStopMinutes: settings.idleStopMinutes ?? 0,
    endpointsOnly: settings.network === "endpoints-only",
    publishAddress: settings.access === "alb" ? "0.0.0.0" : "127.0.0.1",
    mirror: settings.modelMirror === null ? null : mirrorOf(settings.modelMirror),
    secretArns: [settings.hfTokenSecretArn, settings.apiKeySecretArn].filter((secret) => secret !== null),
    alarmTopicArn: settings.alarmTopicArn,
  };
}
