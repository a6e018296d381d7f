import type { AwsPlan } from "../../infra/plan/aws/plan.ts";
import type { FleetPlan } from "../../infra/plan/fleet/plan.ts";
import type { Plan } from "../../infra/plan/plan.ts";
import type { PictureUse } from "../../infra/plan/prices/picture-use.ts";
import type { ReadyState } from "../../infra/readiness/probe-result.ts";
import type { ErrorDetail } from "../core/exit.ts";
import type { Check } from "../doctor/check.ts";
import type { CommandResult, Exec } from "../service/image-gen.ts";
import type { ImageRequest } from "../service/image-request.ts";
import type { ImageOptions, SavedImages } from "../service/images.ts";
import type { ShellConfig } from "../stack/shell-variables.ts";

type Mode = "docker" | "process" | "aws" | "fleet";

/**
 * A place that a stack's service runs in. Commands parse their arguments, call one method of it and print the result, which
 * has one shape for every target: a field that a target has nothing for is null, or absent where it is marked optional.
 */
export interface Target {
  /** The stack's name. */
  readonly stack: string;
  readonly mode: Mode;
  /** Starts the service and returns when it is ready. */
  up(options: UpOptions): Promise<UpResult>;
  /** Removes what `up` made. */
  down(options: DownOptions): Promise<DownResult>;
  status(): Promise<StatusResult>;
  /** What `up` would make of the stack's config. */
  plan(options?: PlanOptions): Promise<PlanResult>;
  checks(): Promise<Check[]>;
  /** Writes the service's log to stdout; where it has a host of its own, that one's too. */
  logs(options: LogsOptions): Promise<void>;
  /** A connection to the running service. `port`: the local end of a tunnel, where one is needed. */
  open(port?: number): Promise<Connection>;
  /** Makes one image with the running service. */
  images(request: ImageRequest, options?: ImageOptions): Promise<SavedImages>;
  /** Runs `image-gen` where the stack's cache is. */
  readonly exec: Exec;
  /** Restarts a running service, which then reads its cache again; undefined when none runs. */
  restart(options: RestartOptions): Promise<RestartResult | undefined>;
  /** Writes the cache's archive to `place`; without one, to the target's own default. */
  backup(place: string | undefined): Promise<BackupResult>;
  /** Puts an archive in place of the cache, by `image-gen restore`. */
  restore(place: string): Promise<CommandResult>;
  /** Absent where the service runs on no host of its own. */
  readonly host?: HostOperations;
  /** Only of a fleet. */
  readonly fleet?: FleetOperations;
}

/** What a target does whose hosts are paid for by the hour. */
export interface PowerOperations {
  stop(): Promise<StopResult>;
  start(options: { readonly wait: boolean; readonly timeout: number }): Promise<StartResult>;
}

/** What only a fleet can do. */
interface FleetOperations extends PowerOperations {
  /** Lets workers end the jobs that they have and take no other ones, and returns when none has any; hosts stay. */
  drain(options: { readonly timeout: number }): Promise<DrainResult>;
  /** Copies a model from the Hub to a bucket, by way of this machine. */
  mirror(options: MirrorOptions): Promise<CommandResult>;
}

export interface DrainResult {
  /** The fleet's stack. */
  readonly stack: string;
  /** Workers that have ended their jobs. */
  readonly workers: readonly string[];
  /** About how many jobs wait for `start`. */
  readonly waiting: number;
  readonly seconds: number;
}

export interface MirrorOptions {
  /** `s3://bucket/prefix`. */
  readonly place: string;
  /** Absent: the stack's. */
  readonly model?: string | undefined;
  readonly revision?: string | undefined;
}

/** What only a target with a host of its own can do. */
export interface HostOperations extends PowerOperations {
  /** Pins the machine image in the stack's config; `refresh`: the newest one. */
  pin(options: { readonly refresh?: boolean }): Promise<PinResult>;
  moveAz(zone: string, options: MoveOptions): Promise<MoveResult>;
  snapshot(): Promise<SnapshotResult>;
  /** Replaces the volume by one made from `snapshot`; the old one is kept. */
  restoreVolume(snapshot: string, options: MoveOptions & { readonly zone?: string }): Promise<MoveResult>;
}

export interface RestartOptions {
  /** Whether to wait until the service is ready. */
  readonly wait: boolean;
}

export interface RestartResult {
  /** The service's state once it is ready; null without a wait. */
  readonly ready: ReadyState | null;
}

interface UpOptions {
  /** What the shell says of the service. */
  readonly shell: ShellConfig;
  /** Null: no picture. */
  readonly prompt: string | null;
}

export interface UpResult {
  readonly stack: string;
  readonly mode: Mode;
  /** Where a client reaches the service; on AWS without a load balancer, through a tunnel. Null for a fleet without a gateway. */
  readonly url: string | null;
  readonly model: string | null;
  /** Null for a fleet, whose hosts come with jobs. */
  readonly device: string | null;
  /** Where the model was read from; null on AWS. */
  readonly source: string | null;
  /** Seconds of each phase of the start, as far as the service reported them. */
  readonly phases: Readonly<Record<string, number>>;
  /** Of a process on this machine, which continues after `up`. */
  readonly pid?: number;
  /** Null with `--no-picture`, or where no tunnel could be opened. */
  readonly picture: SavedImages | null;
  readonly seconds: number;
  /** AWS: the type of the host that was launched. */
  readonly instanceType?: string;
  /** AWS: how the host is paid for. */
  readonly market?: "spot" | "on-demand";
  /** AWS: what was written to the stack's config, so that the next `up` launches the same host. */
  readonly pinned?: Readonly<Record<string, string>>;
  /** Fleet: where jobs are sent to. */
  readonly queueUrl?: string | null;
  /** Fleet: where jobs and results are. */
  readonly jobStore?: string | null;
  /** Fleet: no host is started until `imagegen start`. */
  readonly stopped?: boolean;
}

export interface DownOptions {
  readonly deleteCache?: boolean;
  readonly yes?: boolean;
}

export interface DownResult {
  readonly stack: string;
  /** What was removed. */
  readonly stopped: readonly Mode[];
  /** Where models were, and whether they are kept. */
  readonly cache: readonly KeptPlace[];
  /** AWS: where images were, and whether they are kept. */
  readonly images?: readonly KeptPlace[];
  /** Fleet: queues and the bucket with jobs and results, and whether they are kept. */
  readonly results?: readonly KeptPlace[];
}

interface KeptPlace {
  readonly place: string;
  readonly kept: boolean;
  /** AWS: list price of what is kept; of images, of each. */
  readonly usdPerMonth?: number;
  /** AWS: what deletes it. */
  readonly deleteCommand?: string;
}

export interface StatusResult {
  readonly stack: string;
  /** Null: nothing was ever started. */
  readonly mode: Mode | null;
  /** The container, process or host runs; `ready` has the service's own state. */
  readonly running: boolean;
  readonly url: string | null;
  /** The body of `/readyz`; null while the service does not answer. */
  readonly ready: ReadyState | null;
  /** One line on the service, or on why there is none. */
  readonly state: string;
  /** What pictures took and cost since the service began; null while that is not known. */
  readonly pictures: PictureUse | null;
  /** The size of the cache; null where it was not asked for, as on AWS. */
  readonly cacheBytes: number | null;
  /** Only where the service runs as a process of this machine. */
  readonly pid?: number;
  /** A cache of this machine that is read besides; absent where there is none. */
  readonly hostCache?: string;
  /** AWS and fleet. */
  readonly region?: string;
  /** AWS only; null: there is none. */
  readonly host?: HostInfo | null;
  /** AWS only; null: there is none. */
  readonly volume?: VolumeInfo | null;
  /** AWS only: seconds since the host's last heartbeat. */
  readonly heartbeatSeconds?: number | null;
  /** Fleet only. */
  readonly fleet?: FleetStatus;
}

/** Hosts, jobs and cost of a fleet. */
export interface FleetStatus {
  /** Of spot hosts, and, where there may be any, of on-demand ones. */
  readonly groups: readonly GroupStatus[];
  readonly jobs: JobCounts;
  /** Those that have written their record within a minute. */
  readonly workers: readonly FleetWorker[];
  /** From 0 to 1, of the hosts that are there or start; null without one. */
  readonly spotShare: number | null;
  /** Whether workers take no more jobs, by `drain`. */
  readonly draining: boolean;
  readonly cost: HostsCost;
  /** Why a group started no host in the last hour, or the gateway has fewer tasks than it is to have, with a fix. */
  readonly problems: readonly ErrorDetail[];
  /** Null: there is none. */
  readonly gateway: GatewayStatus | null;
}

/** Tasks of the gateway, as ECS counts them. */
interface GatewayStatus {
  readonly desired: number;
  readonly running: number;
}

interface GroupStatus {
  readonly group: "spot" | "rescue";
  /** Of the Auto Scaling group. */
  readonly name: string;
  /** How many hosts the group may have, and how many it is to have now. */
  readonly least: number;
  readonly most: number;
  readonly desired: number;
  readonly inService: number;
  /** Whether it starts no host, whatever waits. */
  readonly stopped: boolean;
  /** `state` is Auto Scaling's: Pending, InService, Terminating, … */
  readonly hosts: readonly FleetHost[];
}

/** A host of a group. */
interface FleetHost extends HostInfo {
  /** It has jobs, or had one in the last minute: the group ends others first. */
  readonly protectedFromScaleIn: boolean;
}

/** As SQS estimates them. */
interface JobCounts {
  readonly waiting: number;
  /** Workers have them. */
  readonly taken: number;
  readonly deadLetters: number;
  /** Age of the oldest job, up to a minute or two ago; null: there is no job, or CloudWatch has no figure yet. */
  readonly oldestSeconds: number | null;
}

/** What a worker last wrote of itself. */
export interface FleetWorker {
  readonly id: string;
  /** As in `/readyz`: `ready` once it makes pictures. */
  readonly phase: string;
  /** How many of its GPUs make a picture. */
  readonly busy: number;
  /** False while the fleet is drained. */
  readonly takesJobs: boolean;
  /** It takes no jobs, and has none left. */
  readonly drained: boolean;
  /** Why it makes none. */
  readonly error: string | null;
}

/** Of the hosts that run now, with root disks and addresses, by list prices; null: the price of a type is not known. */
interface HostsCost {
  readonly usdPerHour: number | null;
  /** Since each one's launch; hosts that have gone are not in it. */
  readonly usdSoFar: number | null;
  /** Null without a host. */
  readonly priceSource: string | null;
}

export interface HostInfo {
  readonly id: string;
  readonly type: string;
  readonly state: string;
  readonly market: "spot" | "on-demand";
  readonly zone: string;
}

export interface VolumeInfo {
  readonly id: string;
  readonly state: string;
  readonly zone: string;
  readonly sizeGb: number;
}

/** What a forecast is made with: of the cost on AWS, or of a start on this machine. */
export interface PlanOptions {
  /** Seconds of a picture. */
  readonly seconds?: number;
  /** Percent. */
  readonly idle?: number;
  /** Fleet: pictures a month. */
  readonly pictures?: number;
  /** Whether no price is requested. */
  readonly offline?: boolean;
  /** On this machine: whether it is measured, for this plan and later ones. */
  readonly measure?: boolean;
  /** On this machine: a file with the rates of a machine. */
  readonly rates?: string;
  /** On this machine: MB/s at which the hub or the mirror sends. */
  readonly downloadRate?: number;
}

interface PlanResult {
  /** What --json prints. */
  readonly plan: Plan | AwsPlan | FleetPlan;
  /** For people: name and value. */
  readonly rows: readonly (readonly [string, string])[];
}

export interface LogsOptions {
  readonly lines: number;
  readonly follow: boolean;
  /** On AWS: the container's lines alone, or the host's; null: both. */
  readonly from: "container" | "host" | null;
  readonly write: (text: string) => void;
}

export interface Connection {
  readonly url: string;
  /** Of a tunnel: resolves when it is closed, rejects when it breaks. */
  readonly ended?: Promise<void>;
  close(): void;
}

interface BackupResult {
  /** The file or the object in S3. */
  readonly file: string;
  /** Its size. */
  readonly bytes: number;
}

export interface StopResult {
  /** The instance's id; null for a fleet. */
  readonly host: string | null;
  readonly state: "stopped";
  /** Fleet: the instances that ended. */
  readonly hosts?: readonly string[];
  /** Fleet: about how many jobs wait for `start`. */
  readonly waiting?: number;
}

export interface StartResult {
  /** The instance's id; null for a fleet. */
  readonly host: string | null;
  /** False with `--no-wait`, and for a fleet without a job, which needs no host. */
  readonly ready: boolean;
  /** Null for a fleet. */
  readonly model: string | null;
  readonly seconds: number;
  /** Fleet: how many hosts its groups are to have now. */
  readonly desired?: number;
}

export interface PinResult {
  /** The machine image that is pinned now. */
  readonly amiId: string;
  /** Where it comes from: the present host, the list of published images, or the config as it was. */
  readonly from: "host" | "newest" | "config";
  /** The image that was pinned before. */
  readonly before: string | null;
  /** Whether the next `up` replaces the host. */
  readonly replaces: boolean;
  /** The file that was written. */
  readonly file: string | null;
}

export interface MoveOptions {
  readonly dryRun?: boolean;
  /** MiB/s at which the new volume is filled from its snapshot; absent: as config says. */
  readonly rate?: number;
  readonly subnet?: string;
}

export interface MoveResult {
  /** The zone of the new volume. */
  readonly zone: string;
  /** What was done, or would be with `--dry-run`; empty when nothing is left to do. */
  readonly steps: readonly string[];
  readonly dryRun: boolean;
  /** The volume that the stack used before; it still exists. */
  readonly kept: string | null;
}

interface SnapshotResult {
  /** The snapshot's id. */
  readonly snapshot: string;
  /** The volume's id. */
  readonly volume: string;
}
