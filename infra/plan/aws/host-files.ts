/** What the host's scripts must be told. It becomes `/etc/image-gen/host.env`: no secret, no image. */
export interface HostFilesPlan {
  readonly region: string;
  readonly stack: string;
  /** `/imagegen/<stack>`: its `/deployment` is read by the host, its `/ready` is written. */
  readonly parameters: string;
  /** `vol-…`: the only way in which the data disk is found. */
  readonly volumeId: string;
  /** True only when this stack made the volume blank: else a blank disk is a mistake, and refused. */
  readonly formatIfBlank: boolean;
  /** Chosen once: a disk is never formatted again to change it. */
  readonly filesystem: "xfs";
  /** CloudWatch's log group of the container; "" for none. */
  readonly logGroup: string;
  /** `<account>.dkr.ecr.<region>.<suffix>`. */
  readonly registry: string;
  /** A host of an auto scaling group attaches the volume itself. */
  readonly selfAttach: boolean;
  /** Minutes without a picture after which the instance stops; 0 for never. */
  readonly idleStopMinutes: number;
  /** A network without a way out: the host then names each endpoint that it misses. */
  readonly endpointsOnly: boolean;
  /** Where the host takes requests: itself alone (through SSM), or a load balancer's. */
  readonly publishAddress: "127.0.0.1" | "0.0.0.0";
  /** The narrow role that reads the S3 mirror; "" without a mirror. */
  readonly mirrorRoleArn: string;
}
