import { commandFor } from "../../core/command-line.ts";
import type { Context } from "../../core/context.ts";
import { CliError, EXIT, firstLine } from "../../core/exit.ts";
import type { Check } from "../../doctor/check.ts";
import type { CommandResult } from "../../service/image-gen.ts";
import { type ImageRequest, makeImage, type SavedImage } from "../../service/images.ts";
import { awsPlanOf } from "../../stack/model.ts";
import type {
  BackupResult,
  Connection,
  DownOptions,
  DownResult,
  HostOperations,
  LogsOptions,
  PlanResult,
  StatusResult,
  Target,
  UpOptions,
  UpResult,
} from "../target.ts";
import { awsChecks } from "./doctor/doctor.ts";
import { openConnection } from "./host/connection.ts";
import { imageGenOnHost, restartOnHost } from "./host/image-gen.ts";
import { printLogs } from "./host/tail.ts";
import { backupToS3, restoreFromS3 } from "./operations/backup.ts";
import { moveAz, restoreVolume } from "./operations/move-az.ts";
import { pinAmi } from "./operations/pin.ts";
import { snapshotVolume } from "./operations/snapshot.ts";
import { startService, stopService } from "./operations/start-stop.ts";
import { awsStatus } from "./operations/status.ts";
import { downInAws } from "./stack/down.ts";
import { planRows } from "./stack/plan-rows.ts";
import { openStack } from "./stack/stack.ts";
import { upInAws } from "./stack/up.ts";

/** A host in AWS. */
export class AwsTarget implements Target {
  readonly mode = "aws";
  readonly host: HostOperations;
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
    const up = (retainVolumes: readonly string[]) => upInAws(context, { startStopped: false, retainVolumes });
    this.host = {
      stop: () => stopService(context),
      start: (options) => startService(context, options),
      pin: (options) => pinAmi(context, options),
      moveAz: (zone, options) => moveAz(context, zone, options, up),
      restoreVolume: (snapshot, options) => restoreVolume(context, snapshot, options, up),
      snapshot: async () => {
        const { id, volumeId } = await snapshotVolume(context, await openStack(context));
        return { snapshot: id, volume: volumeId };
      },
    };
  }

  async up({ prompt }: UpOptions): Promise<UpResult> {
    const started = performance.now();
    const { outputs, host, pinned } = await upInAws(this.#context);
    const text = (name: string) => (typeof outputs[name] === "string" ? outputs[name] : null);
    return {
      stack: this.#context.files.name,
      mode: this.mode,
      url: text("url"),
      model: text("modelId"),
      device: text("device"),
      source: null,
      phases: {},
      picture: prompt === null ? null : await this.#firstImage(prompt),
      seconds: (performance.now() - started) / 1000,
      instanceType: host.type,
      market: host.market,
      pinned,
    };
  }

  /** The service has made an image already to become ready, so that a missing tunnel is no failure of `up`. */
  async #firstImage(prompt: string): Promise<SavedImage | null> {
    const { signal, progress } = this.#context;
    try {
      return await this.images({ prompt });
    } catch (error) {
      signal.throwIfAborted();
      progress.log(`No picture was made: ${firstLine(error)}`);
      return null;
    }
  }

  down(options: DownOptions): Promise<DownResult> {
    return downInAws(this.#context, options);
  }

  status(): Promise<StatusResult> {
    return awsStatus(this.#context);
  }

  async plan(modelId?: string): Promise<PlanResult> {
    const { paths, files } = this.#context;
    const settings = files.settings("aws");
    const plan = await awsPlanOf(paths, modelId === undefined ? settings : { ...settings, modelId }, files.name);
    return { plan, rows: planRows(plan) };
  }

  checks(): Promise<Check[]> {
    return awsChecks(this.#context);
  }

  logs(options: LogsOptions): Promise<void> {
    return printLogs(this.#context, options);
  }

  open(port?: number): Promise<Connection> {
    return openConnection(this.#context, port);
  }

  async images(request: ImageRequest, file?: string): Promise<SavedImage> {
    const connection = await this.open();
    return makeImage(this.#context, connection.url, request, file).finally(() => connection.close());
  }

  exec(args: readonly string[]): Promise<CommandResult> {
    return imageGenOnHost(this.#context, args);
  }

  async restart(): Promise<boolean> {
    await restartOnHost(this.#context);
    return true;
  }

  async backup(place = ""): Promise<BackupResult> {
    return { file: place, bytes: await backupToS3(this.#context, place) };
  }

  async restore(place: string): Promise<CommandResult> {
    if (!/^snap-[0-9a-f]+$/.test(place)) return restoreFromS3(this.#context, place);
    const fix = commandFor(this.#context.files.name, `volume restore ${place}`);
    throw new CliError({ message: `${place} is a snapshot of a whole volume.`, fix }, EXIT.usage);
  }
}
