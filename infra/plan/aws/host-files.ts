import type { AwsHostPlan } from "./host.ts";

type PlannedFields =
  | "region"
  | "stack"
  | "parameters"
  | "logGroup"
  | "formatIfBlank"
  | "selfHealing"
  | "idleStopMinutes"
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
  /** The narrow role that reads the S3 mirror; "" without a mirror. */
  readonly mirrorRoleArn: string;
}
