import { setTimeout as sleep } from "node:timers/promises";
import type { LocalSettings } from "../../../infra/config/settings.ts";
import { serviceUrl } from "../../../infra/contract.ts";
import { detectGpu } from "../../../infra/io/local-gpu.ts";
import { DOWNLOADS } from "../../../infra/plan/room.ts";
import type { ReadyState } from "../../../infra/readiness/probe-result.ts";
import { describeState } from "../../../infra/readiness/progress.ts";
import { formatBytes } from "../../../infra/units.ts";
import { commandFor } from "../../core/command-line.ts";
import type { Context } from "../../core/context.ts";
import { CliError, EXIT } from "../../core/exit.ts";
import { describeRoom, inspectRoom, ROOM_FIX } from "../../doctor/room.ts";
import { probeState, RETRY_MS, waitForService } from "../../service/readiness.ts";
import { AutomationStack } from "../../stack/automation-stack.ts";
import { planOf } from "../../stack/model.ts";
import { type ShellConfig, saveShell, setSecrets } from "../../stack/shell-variables.ts";
import { describeOwner, isForeign } from "../../toolchain/container-owner.ts";
import { dockerOrFail, findContainer, findEngine, freeBytes, hasImage, pullImage } from "../../toolchain/docker.ts";
import { ensurePulumi, type Tools } from "../../toolchain/pulumi.ts";
import { describeBuildDownload } from "../../toolchain/python-packages.ts";
import { requirePort } from "../port.ts";

/** Seconds for a service that Pulumi has found ready to say so again. */
const CONFIRM_S = 60;

/** All that Docker mode needs and this machine may lack, the cheapest check first. Installs and pulls what is missing. */
export async function findDockerTools(context: Context, settings: LocalSettings): Promise<Tools> {
  const engine = await findEngine();
  if (!engine.ok) return engine;
  // The image that a container was built from needs no build.
  const isBuilt =
    (await findContainer(settings.containerName)) &&
    context.files.lastSettings("local").baseImage === settings.baseImage;
  if (!isBuilt && !(await hasImage(settings.baseImage))) {
    const failure = await pullImage(settings.baseImage, context.progress, context.signal);
    if (failure) {
      const message = `The base image ${settings.baseImage} can't be pulled (${failure}).`;
      const fix = commandFor(context.files.name, "up --config baseImage=<an image that is here>");
      return { ok: false, reason: { message, fix } };
    }
  }
  return ensurePulumi(context.paths, context.progress, context.signal);
}

interface DockerStart {
  /** The folder of a Pulumi CLI that is not on PATH. */
  readonly root: string | undefined;
  readonly shell: ShellConfig;
  /** Stops what would be in the way; called when nothing is left to check. */
  readonly stopOther: () => Promise<void>;
}

/** Brings the stack up by Pulumi, showing the service's own progress meanwhile; returns what it says when ready. */
export async function upInDocker(context: Context, settings: LocalSettings, { root, shell, stopOther }: DockerStart) {
  const { files, progress, signal } = context;
  await requireOwnContainer(context, settings);
  const own = await findContainer(settings.containerName);
  if (!(own?.running && own.ports.includes(settings.port))) await requirePort(context, settings);
  await requireRoom(context, settings);

  const stack = await AutomationStack.open(context, "up", root);
  progress.log(`Bringing up the stack ${files.name} with Pulumi (log ${stack.log}) …`);
  await setSecrets(stack, shell);
  await stopOther();
  const url = serviceUrl(settings);
  await retryFailedService(context, settings);
  const seen = watchService(url, context);
  try {
    await stack.up({ signal, onText: (text) => seen.busy() || progress.update(text) });
  } catch (error) {
    const reason = seen.reason();
    throw error instanceof CliError && reason ? new CliError([{ message: reason }, stack.logDetail]) : error;
  } finally {
    seen.stop();
    progress.stop();
  }
  saveShell(context, shell);
  const { readiness } = await planOf(context.paths, settings);
  return waitForService(context, { ...readiness, readyTimeoutSeconds: CONFIRM_S });
}

/** A service that has failed reports the same error until it retries, and the cause may be gone. */
async function retryFailedService({ progress, signal }: Context, settings: LocalSettings): Promise<void> {
  const container = await findContainer(settings.containerName);
  const state = container?.running ? await probeState(serviceUrl(settings), 5000, signal) : null;
  if (state?.phase !== "failed") return;
  progress.log(`The service has failed: ${state.error?.message ?? "no reason"}. Retrying …`);
  const { containerName } = settings;
  await dockerOrFail(state.retries_on_sighup ? ["kill", "--signal", "HUP", containerName] : ["restart", containerName]);
  await sleep(RETRY_MS);
}

/** Refuses a container of this name that its labels call another's, before anything is stopped. */
async function requireOwnContainer({ paths, files }: Context, { containerName }: LocalSettings): Promise<void> {
  const found = await findContainer(containerName);
  if (!found || !isForeign(found, { stack: files.name, root: paths.root })) return;
  const { message, fix } = describeOwner(found, paths.root);
  const other = commandFor(
    files.name,
    "up --config containerName=<another> --config volumeName=<another> --port <another>",
  );
  throw new CliError({ message, fix: `${fix}, or ${other}` }, EXIT.missingPrerequisite);
}

/** Looks at /readyz beside Pulumi's run: shows a start-up that is going on, remembers the service's own error. */
function watchService(url: string, { progress, signal }: Context) {
  let last: ReadyState | null = null;
  let stopped = false;
  const working = () => last !== null && last.phase !== "ready" && last.phase !== "stopping";
  const look = async () => {
    last = await probeState(url, 2000, signal).catch(() => null);
    if (stopped) return;
    if (last && working()) {
      const { text, fraction } = describeState(last);
      progress.update(text, fraction);
    }
    timer = later();
  };
  const later = () => setTimeout(() => void look(), 500);
  let timer = later();
  return {
    busy: working,
    reason: () => (last?.phase === "failed" ? last.error?.message : undefined),
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

async function requireRoom({ paths, progress }: Context, settings: LocalSettings): Promise<void> {
  progress.update("looking at the room on Docker's disk");
  const engine = await findEngine();
  const free = engine.ok ? freeBytes(engine.rootDir) : undefined;
  const room = await inspectRoom(paths, settings);
  if (free !== undefined && free < room.bytes) {
    const message = `Docker's disk has ${formatBytes(free)} free, and ${describeRoom(room)} are needed.`;
    throw new CliError({ message, fix: ROOM_FIX }, EXIT.missingPrerequisite);
  }
  if (free !== undefined && free < room.bytes + room.assumedBytes)
    progress.log(
      `Docker's disk has ${formatBytes(free)} free. The size of ${settings.modelId} or of its LoRAs is not known yet, and may need more.`,
    );
  if (room.buildBytes > 0) {
    const isDownloaded = room.parts.some(({ what }) => what === DOWNLOADS);
    const download = isDownloaded ? describeBuildDownload(paths, settings, detectGpu().hasGpu) : "packages are here";
    progress.log(`Building the image first: ${formatBytes(room.buildBytes)} of disk, ${download} …`);
  }
}
