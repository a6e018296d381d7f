import type { LocalSettings } from "../../../infra/config/settings.ts";
import { serviceUrl } from "../../../infra/contract.ts";
import type { ReadyState } from "../../../infra/readiness/probe-result.ts";
import { describeState } from "../../../infra/readiness/progress.ts";
import { formatBytes } from "../../../infra/units.ts";
import { commandFor } from "../../core/command-line.ts";
import type { Context } from "../../core/context.ts";
import { CliError, EXIT } from "../../core/exit.ts";
import { requireFreePort } from "../../core/ports.ts";
import { probeState, waitForService } from "../../service/readiness.ts";
import { AutomationStack } from "../../stack/automation-stack.ts";
import { planOf } from "../../stack/model.ts";
import { type ShellConfig, saveShell, setSecrets } from "../../stack/shell-variables.ts";
import { findContainer, findEngine, freeBytes, hasImage, hasVolume, pullImage } from "../../toolchain/docker.ts";
import { ensurePulumi, type Tools } from "../../toolchain/pulumi.ts";
import { readRecord } from "../process/record.ts";

/** Bytes of the service's image with its build's leftovers, and of spare disk space. */
const IMAGE_BYTES = 9e9;
const SPARE_BYTES = 1e9;
/** Seconds for a service that Pulumi has found ready to say so again. */
const CONFIRM_S = 60;

/** All that Docker mode needs and this machine may lack, the cheapest check first. Installs and pulls what is missing. */
export async function findDockerTools(context: Context, settings: LocalSettings): Promise<Tools> {
  const engine = await findEngine();
  if (!engine.ok) return engine;
  // An existing container was built from it and needs no build.
  if (!(await findContainer(settings.containerName)) && !(await hasImage(settings.baseImage))) {
    const failure = await pullImage(settings.baseImage, context.progress, context.signal);
    if (failure) {
      const message = `The base image ${settings.baseImage} can't be pulled (${failure}).`;
      const fix = commandFor(context.files.name, "up --config baseImage=<an image that is here>");
      return { ok: false, reason: { message, fix } };
    }
  }
  return ensurePulumi(context.paths, context.progress, context.signal);
}

/** Brings the stack up by Pulumi, showing the service's own progress meanwhile; returns what it says when ready. */
export async function upInDocker(
  context: Context,
  settings: LocalSettings,
  { root, shell }: { root: string | undefined; shell: ShellConfig },
) {
  const { files, progress, signal } = context;
  await requirePort(context, settings);
  await requireDiskSpace(context, settings);

  const stack = await AutomationStack.open(context, "up", root);
  progress.log(`Bringing up the stack ${files.name} with Pulumi (log ${stack.log}) …`);
  await setSecrets(stack, shell);
  const url = serviceUrl(settings);
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

async function requirePort({ paths, files }: Context, settings: LocalSettings): Promise<void> {
  const { port, bindAddress, containerName } = settings;
  const own = await findContainer(containerName);
  if (own?.running && own.ports.includes(port)) return;
  await requireFreePort(port, {
    host: bindAddress,
    owner: readRecord(paths.processFile)?.port === port ? "a service of this checkout" : undefined,
    fix: (next) => commandFor(files.name, `up --port ${next}`),
  });
}

async function requireDiskSpace({ paths }: Context, settings: LocalSettings): Promise<void> {
  const engine = await findEngine();
  const free = engine.ok ? freeBytes(engine.rootDir) : undefined;
  if (free === undefined) return;
  const plan = await planOf(paths, settings);
  const image = (await hasImage(plan.image.name)) ? 0 : IMAGE_BYTES;
  const model = (await hasVolume(settings.volumeName)) ? 0 : plan.startupEstimate.modelBytes;
  const needed = image + model + SPARE_BYTES;
  if (free >= needed) return;
  const message = `Docker's disk has ${formatBytes(free)} free, and ${formatBytes(needed)} are needed.`;
  throw new CliError({ message, fix: "docker system prune, or a bigger disk for Docker" }, EXIT.missingPrerequisite);
}
