import { createReadStream, createWriteStream, existsSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { execa } from "execa";
import { qualifyKey } from "../../infra/config/problem.ts";
import type { LocalSettings } from "../../infra/config/settings.ts";
import { serviceUrl } from "../../infra/contract.ts";
import { detectGpu } from "../../infra/io/local-gpu.ts";
import type { ReadyState } from "../../infra/readiness/probe-result.ts";
import { describeState } from "../../infra/readiness/progress.ts";
import { commandFor } from "../core/command-line.ts";
import { confirm } from "../core/confirm.ts";
import type { Context } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import type { Check } from "../doctor/check.ts";
import { machineChecks } from "../doctor/checks.ts";
import { checkedConfig, inspectMachine, parseDoctor, type ServiceFacts } from "../doctor/inspect.ts";
import { compressionOptions, isBucket } from "../service/archive.ts";
import { type CacheStatus, type CommandResult, type ExecOptions, execJson, toExitCode } from "../service/image-gen.ts";
import { type ImageRequest, makeImage, type SavedImage } from "../service/images.ts";
import { probeState } from "../service/readiness.ts";
import { destroyStack } from "../stack/automation-stack.ts";
import { readText } from "../stack/config.ts";
import { chooseModel, planOf } from "../stack/model.ts";
import { dockerOrFail, findContainer, findEngine, hasVolume } from "../toolchain/docker.ts";
import { findPulumi } from "../toolchain/pulumi.ts";
import { planRows } from "./plan-rows.ts";
import { followFile, lastLines } from "./process/follow-log.ts";
import { readRecord, stopProcess } from "./process/record.ts";
import type {
  BackupResult,
  Connection,
  DownOptions,
  DownResult,
  LogsOptions,
  PlanResult,
  StatusResult,
  Target,
  UpOptions,
  UpResult,
} from "./target.ts";

const DEFAULT_ARCHIVE = "model-cache-backup.tar";

/** Where a stack's service is, running or stopped. */
export interface Place {
  readonly url: string;
  readonly running: boolean;
}

/** A program that runs `image-gen` beside the cache: the arguments before the command's own, and the environment. */
export interface Runner {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Record<string, string>;
}

/** What Docker and process mode share. */
export abstract class LocalTarget implements Target {
  abstract readonly mode: "docker" | "process";
  /** Whether the service must find its cache on a mounted volume. */
  protected abstract readonly needsMount: boolean;
  protected readonly context: Context;

  constructor(context: Context) {
    this.context = context;
  }

  /** Starts the service and returns when it is ready. */
  protected abstract start(settings: LocalSettings): Promise<ReadyState>;
  /** Undefined when the service was never started, or was removed. */
  protected abstract find(): Promise<Place | undefined>;
  protected abstract runner(options?: ExecOptions): Promise<Runner>;
  abstract restart(): Promise<boolean>;

  /** Of the last `up`. */
  protected get settings(): LocalSettings {
    return this.context.files.lastSettings("local");
  }

  async up({ prompt }: UpOptions): Promise<UpResult> {
    const started = performance.now();
    const { files, progress } = this.context;
    const config = files.config();
    const model = chooseModel({ configured: readText(config, "modelId"), gpu: detectGpu().hasGpu });
    if (model.note) progress.log(model.note);
    const settings = { ...files.settings("local"), modelId: model.id };
    files.write(model.why === "no-gpu" ? { [qualifyKey("modelId")]: model.id } : {});
    const ready = await this.start(settings);
    const url = serviceUrl(settings);
    // A full-size picture takes a CPU the better part of an hour; a small one proves as much.
    const small = ready.device === "cpu" && !ready.model?.endsWith("/demo") ? { size: "512x512", steps: 8 } : {};
    return {
      stack: files.name,
      mode: this.mode,
      url,
      model: ready.model ?? settings.modelId,
      device: ready.device,
      source: ready.source,
      phases: ready.phases,
      picture: prompt === null ? null : await makeImage(this.context, url, { prompt, ...small }),
      seconds: (performance.now() - started) / 1000,
    };
  }

  /** Removes the service in either mode, because a stack may have been started in both. */
  async down({ deleteCache = false, yes }: DownOptions): Promise<DownResult> {
    const { paths, files, progress, signal } = this.context;
    const { volumeName, containerName } = this.settings;
    const engine = await findEngine();
    const volume = engine.ok && (await hasVolume(volumeName)) ? volumeName : undefined;
    const folder = existsSync(paths.data) ? paths.data : undefined;
    const places = [...(volume ? [`the volume ${volume}`] : []), ...(folder ? [folder] : [])];
    if (deleteCache && places.length > 0) {
      await confirm(`This deletes the downloaded models in ${places.join(" and ")}.`, { yes, signal });
    }

    const stopped: ("process" | "docker")[] = [];
    const record = readRecord(paths.processFile);
    if (record?.stack === files.name) {
      progress.log(`Stopping the process ${record.pid} …`);
      await stopProcess(paths.processFile, record);
      stopped.push("process");
    }
    if (engine.ok && existsSync(files.workingCopy) && (await this.#destroy())) stopped.push("docker");
    else if (engine.ok && (await findContainer(containerName)) && stopped.length === 0) {
      const message = `The container ${containerName} was not made by this checkout.`;
      throw new CliError({ message, fix: `docker rm --force ${containerName}` });
    }
    if (deleteCache) {
      if (volume && (await hasVolume(volume))) await dockerOrFail(["volume", "rm", volume]);
      if (folder) rmSync(folder, { recursive: true, force: true });
    }
    if (stopped.length === 0 && !deleteCache) throw this.nothingRuns();
    return { stack: files.name, stopped, cache: places.map((place) => ({ place, kept: !deleteCache })) };
  }

  async #destroy(): Promise<boolean> {
    const tools = await findPulumi(this.context.paths);
    return tools.ok && destroyStack(this.context, tools.root);
  }

  async status(): Promise<StatusResult> {
    const { files, signal } = this.context;
    const place = await this.find();
    const running = place?.running === true;
    const ready = running ? await probeState(place.url, 5000, signal) : null;
    const cache = running ? await execJson<{ bytes: number }>(this, ["status"]).catch(() => null) : null;
    const up = commandFor(files.name, "up");
    return {
      stack: files.name,
      mode: place ? this.mode : null,
      running,
      url: place?.url ?? null,
      ready,
      state: running
        ? ready
          ? describeState(ready).text
          : "running, but not answering"
        : `${place ? "stopped" : "not running"}: ${up}`,
      cacheBytes: cache?.bytes ?? null,
    };
  }

  async plan(modelId?: string): Promise<PlanResult> {
    const { paths, files, progress } = this.context;
    const config = files.config();
    const model = chooseModel({
      requested: modelId,
      configured: readText(config, "modelId"),
      gpu: detectGpu().hasGpu,
    });
    const plan = await planOf(paths, { ...files.settings("local"), modelId: model.id });
    if (model.note) progress.log(model.note);
    return { plan, rows: planRows(plan) };
  }

  async checks(): Promise<Check[]> {
    const config = checkedConfig(this.context.files);
    const service = config.problems.length === 0 ? await this.#inspectService() : null;
    return machineChecks(await inspectMachine(this.context, config, service));
  }

  async #inspectService(): Promise<ServiceFacts | null> {
    const place = await this.find();
    if (!place?.running) return null;
    return {
      mode: this.mode,
      url: place.url,
      needsMount: this.needsMount,
      ready: await probeState(place.url, 5000, this.context.signal),
      cache: await execJson<CacheStatus>(this, ["status"]).catch(() => null),
      doctor: await execJson<unknown>(this, ["doctor"], [EXIT.ok, EXIT.failed]).then(parseDoctor, () => null),
    };
  }

  async logs({ lines, follow }: LogsOptions): Promise<void> {
    const { paths, files, signal } = this.context;
    const record = readRecord(paths.processFile);
    const file = record?.stack === files.name ? record.log : join(paths.logs, `service-${files.name}.log`);
    if (!existsSync(file)) {
      const message = `The stack ${files.name} has no log.`;
      throw new CliError({ message, fix: commandFor(files.name, "up") }, EXIT.notRunning);
    }
    const { text, end } = lastLines(file, lines);
    process.stdout.write(text);
    if (follow) await followFile(file, end, process.stdout, signal);
  }

  async open(): Promise<Connection> {
    const place = await this.find();
    if (!place?.running) throw this.nothingRuns();
    return { url: place.url, close: () => {} };
  }

  async images(request: ImageRequest, file?: string): Promise<SavedImage> {
    const { url } = await this.open();
    return makeImage(this.context, url, request, file);
  }

  async exec(args: readonly string[], options?: ExecOptions): Promise<CommandResult> {
    const { file, args: front, env } = await this.runner(options);
    const common = { reject: false, cancelSignal: this.context.signal, stdin: "ignore", stderr: "inherit" } as const;
    const result = await execa(file, [...front, ...args], { ...common, env });
    this.context.signal.throwIfAborted();
    if (result.exitCode === undefined) throw new CliError(`${file} could not be started.`, EXIT.missingPrerequisite);
    return { exitCode: result.exitCode, stdout: result.stdout };
  }

  /** Streams the archive to a file under a temporary name, which it gets only when all of it is there. */
  async backup(file = DEFAULT_ARCHIVE): Promise<BackupResult> {
    if (isBucket(file)) {
      const report = await execJson<{ bytes_stored: number }>(this, ["backup", "--output", file]);
      return { file, bytes: report.bytes_stored };
    }
    const toStdout = file === "-";
    const partial = `${file}.part`;
    const child = this.#spawn(await this.runner(), ["backup", "--output", "-", ...compressionOptions(file)]);
    child.stdin.end();
    try {
      const output = toStdout ? process.stdout : createWriteStream(partial);
      const [result] = await Promise.all([child, pipeline(child.stdout, output, { end: !toStdout })]);
      this.context.signal.throwIfAborted();
      if (result.exitCode !== 0)
        throw new CliError("The backup failed; nothing was written.", toExitCode(result.exitCode));
      if (!toStdout) renameSync(partial, file);
      return { file, bytes: toStdout ? 0 : statSync(file).size };
    } catch (error) {
      child.kill();
      if (!toStdout) rmSync(partial, { force: true });
      throw error;
    }
  }

  async restore(file: string): Promise<CommandResult> {
    const json = this.context.json ? ["--json"] : [];
    if (isBucket(file)) return this.exec(["restore", "--input", file, ...json], { ownContainer: true });
    if (file !== "-" && !existsSync(file)) throw new CliError(`${file} does not exist.`, EXIT.usage);
    const child = this.#spawn(await this.runner(), ["restore", "--input", "-", ...json]);
    const output = child.stdout.setEncoding("utf8").toArray();
    const source = file === "-" ? process.stdin : createReadStream(file);
    // A child that ends early (a bad archive) closes the pipe; its exit code says more than that error.
    const [result] = await Promise.all([child, pipeline(source, child.stdin).catch(() => {})]);
    this.context.signal.throwIfAborted();
    return { exitCode: toExitCode(result.exitCode), stdout: (await output).join("").trimEnd() };
  }

  /** `image-gen` with both ends as streams. */
  #spawn({ file, args: front, env }: Runner, args: readonly string[]) {
    const options = {
      env,
      reject: false,
      buffer: false,
      stderr: "inherit",
      cancelSignal: this.context.signal,
    } as const;
    return execa(file, [...front, ...args], { ...options, stdin: "pipe", stdout: "pipe" });
  }

  protected nothingRuns(): CliError {
    const { name } = this.context.files;
    return new CliError(
      { message: `Nothing runs for the stack ${name}.`, fix: commandFor(name, "up") },
      EXIT.notRunning,
    );
  }
}
