import type { AwsPlan } from "../../infra/plan/aws/plan.ts";
import type { Plan } from "../../infra/plan/plan.ts";
import type { ReadyState } from "../../infra/readiness/probe-result.ts";
import type { Check } from "../doctor/check.ts";
import type { CommandResult, Exec } from "../service/image-gen.ts";
import type { ImageRequest, SavedImage } from "../service/images.ts";

type Mode = "docker" | "process" | "aws";

/**
 * A place that a stack's service runs in. Commands parse their arguments, call one method of it and print the result, which
 * has one shape for every target: a field that a target has nothing for is null, or absent where it is marked optional.
 */
export interface Target {
  readonly mode: Mode;
  /** Starts the service and returns when it is ready. */
  up(options: UpOptions): Promise<UpResult>;
  /** Removes what `up` made. */
  down(options: DownOptions): Promise<DownResult>;
  status(): Promise<StatusResult>;
  /** What `up` would make of the stack's config, with another model if `modelId` names one. */
  plan(modelId?: string): Promise<PlanResult>;
  checks(): Promise<Check[]>;
  /** Writes the service's log to stdout. */
  logs(options: LogsOptions): Promise<void>;
  /** A connection to the running service. `port`: the local end of a tunnel, where one is needed. */
  open(port?: number): Promise<Connection>;
  /** Makes one image with the running service. */
  images(request: ImageRequest, file?: string): Promise<SavedImage>;
  /** Runs `image-gen` where the stack's cache is. */
  readonly exec: Exec;
  /** Restarts a running service, which then reads its cache again; false when none runs. */
  restart(): Promise<boolean>;
  /** Writes the cache's archive to `place`; without one, to the target's own default. */
  backup(place: string | undefined): Promise<BackupResult>;
  /** Puts an archive in place of the cache, by `image-gen restore`. */
  restore(place: string): Promise<CommandResult>;
  /** Absent where the service runs on no host of its own. */
  readonly host?: HostOperations;
}

/** What only a target with a host of its own can do. */
export interface HostOperations {
  stop(): Promise<StopResult>;
  start(options: { readonly wait: boolean; readonly timeout: number }): Promise<StartResult>;
  /** Pins the machine image in the stack's config; `refresh`: the newest one. */
  pin(options: { readonly refresh?: boolean }): Promise<PinResult>;
  moveAz(zone: string, options: MoveOptions): Promise<MoveResult>;
  snapshot(): Promise<SnapshotResult>;
  /** Replaces the volume by one made from `snapshot`; the old one is kept. */
  restoreVolume(snapshot: string, options: MoveOptions & { readonly zone?: string }): Promise<MoveResult>;
}

export interface UpOptions {
  /** Null: no picture. */
  readonly prompt: string | null;
}

export interface UpResult {
  readonly stack: string;
  readonly mode: Mode;
  readonly url: string | null;
  readonly model: string | null;
  readonly device: string | null;
  readonly source: string | null;
  /** Seconds of each phase of the start, as far as the service reported them. */
  readonly phases: Readonly<Record<string, number>>;
  readonly picture: SavedImage | null;
  readonly seconds: number;
  /** AWS: the host that was launched, and what was pinned in the stack's config because of that. */
  readonly instanceType?: string;
  readonly market?: "spot" | "on-demand";
  readonly pinned?: Readonly<Record<string, string>>;
}

export interface DownOptions {
  readonly deleteCache?: boolean;
  readonly yes?: boolean;
}

export interface DownResult {
  readonly stack: string;
  readonly stopped: readonly Mode[];
  /** Where models were, and whether they are kept. */
  readonly cache: readonly { readonly place: string; readonly kept: boolean }[];
}

export interface StatusResult {
  readonly stack: string;
  /** Null: nothing was ever started. */
  readonly mode: Mode | null;
  /** The container, process or host runs; `ready` has the service's own state. */
  readonly running: boolean;
  readonly url: string | null;
  readonly ready: ReadyState | null;
  /** One line on the service, or on why there is none. */
  readonly state: string;
  readonly cacheBytes: number | null;
  /** AWS only, as the rest. */
  readonly region?: string;
  readonly host?: HostInfo | null;
  readonly volume?: VolumeInfo | null;
  /** Seconds since the host's last heartbeat. */
  readonly heartbeatSeconds?: number | null;
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

export interface PlanResult {
  /** What --json prints. */
  readonly plan: Plan | AwsPlan;
  /** For people: name and value. */
  readonly rows: readonly (readonly [string, string])[];
}

export interface LogsOptions {
  readonly lines: number;
  readonly follow: boolean;
}

export interface Connection {
  readonly url: string;
  /** Of a tunnel: resolves when it is closed, rejects when it breaks. */
  readonly ended?: Promise<void>;
  close(): void;
}

export interface BackupResult {
  readonly file: string;
  readonly bytes: number;
}

export interface StopResult {
  readonly host: string;
  readonly state: "stopped";
}

export interface StartResult {
  readonly host: string;
  readonly ready: boolean;
  readonly model: string | null;
  readonly seconds: number;
}

export interface PinResult {
  readonly amiId: string;
  /** Where it comes from: the present host, the list of published images, or the config as it was. */
  readonly from: "host" | "newest" | "config";
  readonly before: string | null;
  /** Whether the next `up` replaces the host. */
  readonly replaces: boolean;
  /** The file that was written. */
  readonly file: string | null;
}

export interface MoveOptions {
  readonly dryRun?: boolean;
  readonly subnet?: string;
}

export interface MoveResult {
  readonly zone: string;
  readonly steps: readonly string[];
  readonly dryRun: boolean;
  /** The volume that the stack used before; it still exists. */
  readonly kept: string | null;
}

interface SnapshotResult {
  readonly snapshot: string;
  readonly volume: string;
}
