import type { AwsSettings } from "../../config/aws/settings.ts";
import { type PurchaseOption, parameterPrefix } from "../../contract.ts";
import { parseS3Uri, type S3Location } from "./arn.ts";
import { secretArns } from "./deployment.ts";
import { sustainedThroughputMib } from "./instance-types.ts";
import { hostTypes } from "./zone.ts";

/** The machine with the GPU, and what belongs to it. */
export interface AwsHostPlan {
  readonly region: string;
  readonly stack: string;
  /** The prefix of this stack's parameters. */
  readonly parameters: string;
  readonly logGroup: string;
  readonly logRetentionDays: number;
  readonly instanceType: string;
  /** The type to use, and then the others that are acceptable: a self-healing host is one of them. */
  readonly instanceTypes: readonly string[];
  /** The types that the zone is chosen by, and those to try; a pinned one that is not in config's list is the only one. */
  readonly launchTypes: readonly string[];
  /** Whether config names this one type: else it is the first that the zone offers. */
  readonly hasPinnedType: boolean;
  readonly purchaseOption: PurchaseOption;
  /** Whether config names on-demand hosts as the ones to try after spot, which only `imagegen up` does by itself. */
  readonly mayFallBack: boolean;
  readonly createFirst: boolean;
  /** A host of an Auto Scaling group, which attaches the volume itself. */
  readonly selfHealing: boolean;
  /** A pinned image; null: the one of `amiParameter` at the first deploy. */
  readonly amiId: string | null;
  readonly amiParameter: string;
  readonly root: {
    readonly deviceName: string;
    readonly sizeGib: number;
    readonly iops: number;
    readonly throughputMib: number;
  };
  readonly kmsKeyArn: string | null;
  /** Of the stack's roles; null: none. */
  readonly permissionsBoundaryArn: string | null;
  /** Customer keys that the host's roles may decrypt with: of the secrets, of the mirror's bucket, of the volume. */
  readonly decryptKeyArns: readonly string[];
  /** True only when this stack made the volume blank: else a blank disk is a mistake, and refused. */
  readonly formatIfBlank: boolean;
  /** Minutes without a request after which the instance stops; 0 for never. */
  readonly idleStopMinutes: number;
  /** A network without internet access: the host then names each endpoint that it lacks. */
  readonly endpointsOnly: boolean;
  /** Who may connect: the host itself alone (through SSM), or a load balancer. */
  readonly publishAddress: "127.0.0.1" | "0.0.0.0";
  /** Whether the host's own NVMe disk has a copy of the model. */
  readonly instanceStore: boolean;
  readonly mirror: S3Location | null;
  readonly secretArns: readonly string[];
  readonly alarmTopicArn: string | null;
  readonly dashboard: boolean;
}

type PlannedFields =
  | "region"
  | "stack"
  | "parameters"
  | "logGroup"
  | "formatIfBlank"
  | "selfHealing"
  | "idleStopMinutes"
  | "instanceStore"
  | "endpointsOnly"
  | "publishAddress";

/** The settings of the host's scripts. They become `/etc/image-gen/host.env`: no secret, no image. */
export interface HostFilesPlan extends Pick<AwsHostPlan, PlannedFields> {
  /** `vol-…`: the only way in which the data disk is found. */
  readonly volumeId: string;
  /** Chosen once: a disk is never formatted again to change it. */
  readonly filesystem: "xfs";
  /** `<account>.dkr.ecr.<region>.<suffix>`. */
  readonly registry: string;
  /** The narrow role that the container has: it reads the S3 mirror, and is a worker's in a fleet; "" without either. */
  readonly mirrorRoleArn: string;
  /**
   * Of a fleet: the id of the deployment that the host is started for. Its data directory is on the instance store, and
   * another deployment is another host.
   */
  readonly fleetDeployment?: string;
}

/** Where each image's newest id is published, and the name of its root disk. */
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
/** What gp3 has without a charge. */
const ROOT_IOPS = 3000;
/** The image that runs, the next one while it is pulled, and that one's packed layers. */
const IMAGES_ON_ROOT = 3;

export function planAwsHost(settings: AwsSettings, stack: string, imageBytes: number): AwsHostPlan {
  const ami = AMIS[settings.ami];
  const parameters = parameterPrefix(stack);
  const needed = ami.usedGib + Math.ceil((IMAGES_ON_ROOT * imageBytes) / GIB);
  const { purchaseOption, pinnedPurchaseOption, instanceTypes } = settings;
  const instanceType = settings.pinnedInstanceType ?? instanceTypes[0] ?? "";
  return {
    region: settings.region,
    stack,
    parameters,
    logGroup: parameters,
    logRetentionDays: settings.logRetentionDays,
    instanceType,
    instanceTypes: [...new Set([instanceType, ...instanceTypes])],
    launchTypes: hostTypes(settings),
    hasPinnedType: settings.pinnedInstanceType !== null,
    purchaseOption: pinnedPurchaseOption ?? (purchaseOption === "on-demand" ? "on-demand" : "spot"),
    mayFallBack: purchaseOption === "spot-then-on-demand" && (pinnedPurchaseOption ?? "spot") === "spot",
    createFirst: settings.replacement === "create-first",
    selfHealing: settings.selfHealing,
    amiId: settings.amiId,
    amiParameter: ami.parameter,
    root: {
      deviceName: ami.root,
      sizeGib: settings.rootSizeGb ?? Math.max(LEAST_ROOT_GIB, needed),
      iops: ROOT_IOPS,
      throughputMib: sustainedThroughputMib(instanceType, ROOT_IOPS),
    },
    kmsKeyArn: settings.kmsKeyArn,
    permissionsBoundaryArn: settings.permissionsBoundaryArn,
    decryptKeyArns: [
      ...new Set([...(settings.kmsKeyArn === null ? [] : [settings.kmsKeyArn]), ...settings.decryptKmsKeyArns]),
    ],
    formatIfBlank: settings.volumeId === null && settings.volumeSnapshotId === null,
    idleStopMinutes: settings.idleStopMinutes ?? 0,
    instanceStore: settings.instanceStoreCache,
    endpointsOnly: settings.network === "endpoints-only",
    publishAddress: settings.access === "alb" ? "0.0.0.0" : "127.0.0.1",
    mirror: settings.modelMirror === null ? null : parseS3Uri(settings.modelMirror),
    secretArns: secretArns(settings),
    alarmTopicArn: settings.alarmTopicArn,
    dashboard: settings.dashboard,
  };
}
