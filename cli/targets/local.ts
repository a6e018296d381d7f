import { existsSync } from "node:fs";
import { execa } from "execa";
import { qualifyKey } from "../../infra/config/problem.ts";
import type { LocalSettings } from "../../infra/config/settings.ts";
import { DEMO_MODEL_ID, serviceUrl } from "../../infra/contract.ts";
import { detectGpu } from "../../infra/io/local-gpu.ts";
import { measurePictureUse } from "../../infra/plan/prices/picture-use.ts";
import { modelPath } from "../../infra/plan/service-environment.ts";
import type { ReadyState } from "../../infra/readiness/probe-result.ts";
import { describeState } from "../../infra/readiness/progress.ts";
import { commandFor, notRunning } from "../core/command-line.ts";
import type { Context } from "../core/context.ts";
import { CliError, EXIT, firstLine } from "../core/exit.ts";
import type { Check } from "../doctor/check.ts";
import { machineChecks } from "../doctor/checks.ts";
import { checkedConfig, inspectMachine, parseDoctor, type ServiceFacts } from "../doctor/inspect.ts";
import { backupToFile, type Runner, restoreFromFile } from "../service/archive.ts";
import { type CacheStatus, type ExecOptions, execJson } from "../service/image-gen.ts";
import { makeImages } from "../service/images.ts";
import { machineRates } from "../service/machine-rates.ts";
import { probeState } from "../service/readiness.ts";
import { readText } from "../stack/config.ts";
import { chooseModel, planOf } from "../stack/model.ts";
import type { ShellConfig } from "../stack/shell-variables.ts";
import { unlessUnreachable } from "../toolchain/docker.ts";
import { checkBefore, requirePaths } from "./check-before.ts";
import { downOnThisMachine } from "./down.ts";
import { type EarlierService, orGoBack } from "./earlier.ts";
import { planRows } from "./plan-rows.ts";
import { followFile, readTail } from "./process/follow-log.ts";
import { serviceLogFile } from "./process/log-file.ts";
import type { LogsOptions, RestartOptions, RestartResult, Target } from "./target.ts";

/** In what Docker and process mode differ. */
export interface LocalRuntime {
  readonly mode: "docker" | "process";
  /** Whether the service must find its cache on a mounted volume. */
  readonly needsMount: boolean;
  /** False where no cache of this machine is the stack's. */
  readonly hasCache?: boolean;
  /** What works now, and must work again if `start` fails. */
  earlier(): Promise<EarlierService | undefined>;
  /** Starts the service and returns when it is ready. */
  start(settings: LocalSettings, shell: ShellConfig): Promise<ReadyState>;
  /** The key that the running service asks its clients for. */
  apiKey(): Promise<string | undefined>;
  /** Undefined when the service was never started, or was removed. */
  find(): Promise<{ readonly url: string; readonly running: boolean; readonly pid?: number } | undefined>;
  /** Runs `image-gen` beside the cache. */
  runner(options?: ExecOptions): Promise<Runner>;
  /** A cache of this machine that the service reads besides its own. */
  hostCache?(): string | undefined;
  /** False where there is no log of its own. */
  logs?(options: LogsOptions): Promise<boolean>;
  restart(options: RestartOptions): Promise<RestartResult | undefined>;
}

const isAppleSilicon = () => process.platform === "darwin" && process.arch === "arm64";

/** A service on this machine. */
export function localTarget(context: Context, runtime: LocalRuntime): Target {
  const { paths, files, progress, signal } = context;
  const { mode } = runtime;
  const nothingRuns = () => notRunning(files.name, `Nothing runs for the stack ${files.name}.`);
  const plannedModel = () => {
    const parsed = files.settings("local");
    const isChosen = modelPath(parsed) !== null || readText(files.config(), "modelId") !== undefined;
    const configured = isChosen ? parsed.modelId : undefined;
    const model = chooseModel({ configured, gpu: detectGpu().hasGpu, appleGpu: isAppleSilicon() });
    const settings = { ...parsed, modelId: model.id };
    if (model.note) progress.log(model.note);
    return { model, settings };
  };
  const inspectService = async (): Promise<ServiceFacts | null> => {
    // An engine that can't be asked is a check of its own.
    const place = await runtime.find().catch(unlessUnreachable);
    if (!place?.running) return null;
    return {
      mode,
      url: place.url,
      needsMount: runtime.needsMount,
      ready: await probeState(place.url, 5000, signal),
      cache: await execJson<CacheStatus>(target, ["status"]).catch(() => null),
      doctor: await execJson<{ checks?: Check[] }>(target, ["doctor"], [EXIT.ok, EXIT.failed]).then(
        parseDoctor,
        () => null,
      ),
    };
  };

  const cachedModels = async () => {
    const { models } = await execJson<CacheStatus>(target, ["status"]);
    return models.filter(({ complete }) => complete).map(({ id }) => id);
  };

  const target: Target = {
    stack: files.name,
    mode,
    async up({ prompt, shell }) {
      const started = performance.now();
      const { model, settings } = plannedModel();
      const earlier = await runtime.earlier();
      await checkBefore(context, settings, { mode, shell, earlier, cachedModels });
      const undo = files.rememberStart();
      files.write(model.why === "no-gpu" ? { [qualifyKey("modelId")]: model.id } : {});
      files.setLastMode(mode);
      const start = () => runtime.start(settings, shell);
      const ready = await orGoBack(earlier, { signal, undo, log: progress.log }, start);
      files.keep();
      const url = serviceUrl(settings);
      // A full-size picture takes a CPU the better part of an hour; a small one proves as much.
      const small = ready.device === "cpu" && ready.model !== DEMO_MODEL_ID ? { size: "512x512", steps: 8 } : {};
      const pid = (await runtime.find())?.pid;
      return {
        stack: files.name,
        mode,
        url,
        model: ready.model ?? modelPath(settings) ?? settings.modelId,
        device: ready.device,
        source: ready.source,
        phases: ready.phases,
        ...(pid === undefined ? {} : { pid }),
        picture:
          prompt === null
            ? null
            : await makeImages(context, url, { prompt, ...small }, { key: await runtime.apiKey() }),
        seconds: (performance.now() - started) / 1000,
      };
    },

    down: (options) => downOnThisMachine(context, mode, { hasCache: runtime.hasCache ?? true, ...options }),

    async status() {
      const place = await runtime.find();
      const running = place?.running === true;
      const ready = running ? await probeState(place.url, 5000, signal) : null;
      const cache = running ? await execJson<CacheStatus>(target, ["status"]).catch(() => null) : null;
      const state = ready ? describeState(ready).text : "running, but not answering";
      const hostCache = runtime.hostCache?.();
      return {
        stack: files.name,
        mode: place ? mode : null,
        running,
        ...(place?.pid === undefined ? {} : { pid: place.pid }),
        ...(hostCache ? { hostCache } : {}),
        url: place?.url ?? null,
        ready,
        state: running ? state : `${place ? "stopped" : "not running"}: ${commandFor(files.name, "up")}`,
        pictures: ready?.usage ? measurePictureUse(ready.usage, null, Date.now()) : null,
        cacheBytes: cache?.bytes ?? null,
      };
    },

    async plan({ downloadRate, ...rates } = {}) {
      const { settings } = plannedModel();
      requirePaths(context, settings, mode);
      const machine = await machineRates(context, target, rates);
      const line = downloadRate === undefined ? {} : { downloadBytesPerSecond: downloadRate * 1e6 };
      const plan = await planOf(paths, settings, { machine, ...line });
      return { plan, rows: planRows(plan) };
    },

    async checks() {
      const config = checkedConfig(files);
      const service = config.problems.length === 0 ? await inspectService() : null;
      return machineChecks(await inspectMachine(context, config, service));
    },

    async logs(options) {
      if (await runtime.logs?.(options)) return;
      const file = serviceLogFile(paths, files.name);
      if (mode === "docker" || !existsSync(file)) throw notRunning(files.name, `The stack ${files.name} has no log.`);
      const { text, end } = readTail(file, options.lines);
      options.write(text);
      if (options.follow) await followFile(file, end, options.write, signal);
    },

    async open() {
      const place = await runtime.find();
      if (!place?.running) throw nothingRuns();
      return { url: place.url, close: () => {} };
    },

    async images(request, options) {
      const { url } = await target.open();
      return makeImages(context, url, request, { ...options, key: await runtime.apiKey() });
    },

    async exec(args, options) {
      const { file, args: front, env } = await runtime.runner(options);
      const common = { reject: false, cancelSignal: signal, stdin: "ignore", stderr: "inherit" } as const;
      const { exitCode, stdout } = await execa(file, [...front, ...args], { ...common, env });
      signal.throwIfAborted();
      if (exitCode === undefined) throw new CliError(`${file} could not be started.`, EXIT.missingPrerequisite);
      return { exitCode, stdout };
    },

    async restart(options) {
      try {
        return await runtime.restart(options);
      } catch (error) {
        const place = await runtime.find().catch(() => null);
        throw afterRestart(error, place, context);
      }
    },
    backup: (file) => backupToFile(context, target, () => runtime.runner(), file),
    restore: (file) => restoreFromFile(context, target, () => runtime.runner(), file),
  };
  return target;
}

/** The error of a restart, with what has become of the service; `place`: null where it can't be asked. */
function afterRestart(
  error: unknown,
  place: { readonly url: string; readonly running: boolean } | null | undefined,
  { files, signal }: Pick<Context, "files" | "signal">,
): unknown {
  if (place === null || (place?.running && !signal.aborted)) return error;
  const details = error instanceof CliError && !signal.aborted ? error.details : [];
  const reason = signal.aborted ? "interrupted" : firstLine(error);
  const left = place?.running
    ? { message: `The service continues to start at ${place.url}.`, fix: commandFor(files.name, "status") }
    : { message: `Nothing runs for the stack ${files.name}.`, fix: commandFor(files.name, "up") };
  const code = error instanceof CliError ? error.exitCode : EXIT.failed;
  return new CliError(
    [...(details.length > 0 ? details : [{ message: reason }]), left],
    signal.aborted ? EXIT.interrupted : code,
  );
}
