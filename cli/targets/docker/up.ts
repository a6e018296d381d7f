import type { LocalSettings } from "../../../infra/config/settings.ts";
import type { ReadyState } from "../../../infra/readiness/probe-result.ts";
import { describeState } from "../../../infra/readiness/progress.ts";
import { formatBytes } from "../../../infra/units.ts";
import type { Context } from "../../core/context.ts";
import { CliError, EXIT } from "../../core/exit.ts";
import { isPortFree, portOwner } from "../../core/ports.ts";
import { readReadyz, waitForService } from "../../service/readyz.ts";
import { LocalStack, newLog } from "../../stack/automation-stack.ts";
import { urlOf } from "../../stack/config.ts";
import { keepSecret } from "../../stack/hf-token.ts";
import { planOf } from "../../stack/model.ts";
import { ensurePulumi, type Tools } from "../../toolchain/pulumi.ts";
import { readRecord } from "../process/record.ts";
import { findContainer, findEngine, freeBytes, hasImage, hasVolume, pullImage } from "./docker.ts";

/** Bytes of the service's image with its build's leftovers, and of room that a disk should keep. */
const IMAGE_BYTES = 9e9;
const SPARE_BYTES = 1e9;
/** Seconds for a service that Pulumi has found ready to say so again. */
const CONFIRM_S = 60;

/** All that Docker mode needs and this machine may lack; cheapest first, so that the answer comes soon. */
export async function findTools(context: Context, settings: LocalSettings): Promise<Tools> {
  const engine = await findEngine();
  if (!engine.ok) return engine;
  // A service that is there already was built from it; it need not be built again.
  if (!(await findContainer(settings.containerName)) && !(await hasImage(settings.baseImage))) {
    const failure = await pullImage(settings.baseImage, context.progress, context.signal);
    if (failure) {
      const mend = "Fix: imagegen up --config baseImage=<an image that is here>";
      return { ok: false, message: `the base image ${settings.baseImage} can't be pulled (${failure}). ${mend}` };
    }
  }
  return ensurePulumi(context.paths, context.progress, context.signal);
}

/** Brings the stack up by Pulumi, showing the service's own progress meanwhile; returns what it says when ready. */
export async function upInDocker(
  context: Context,
  settings: LocalSettings,
  root: string | undefined,
): Promise<ReadyState> {
  const { paths, files, progress, signal } = context;
  await requirePort(context, settings);
  await requireRoom(context, settings);

  const log = newLog(paths, `up-${files.name}`);
  progress.line(`Bringing up the stack ${files.name} with Pulumi (log ${log}) …`);
  const stack = await LocalStack.open(paths, files, log, root);
  await keepSecret(context, stack);
  const url = urlOf(settings);
  const seen = watchService(url, context);
  try {
    await stack.up({ signal, onText: (text) => seen.busy() || progress.live(text) });
  } catch (error) {
    const reason = seen.reason();
    throw error instanceof CliError && reason ? new CliError(`${reason}\nThe whole story: ${log}`) : error;
  } finally {
    seen.stop();
    progress.settle();
  }
  const { readiness } = await planOf(paths, settings);
  return waitForService({ ...readiness, readyTimeoutSeconds: CONFIRM_S }, { stack: files.name, signal });
}

/** Looks at /readyz beside Pulumi's run: shows a start-up that is going on, remembers the service's own error. */
function watchService(url: string, { progress, signal }: Context) {
  let last: ReadyState | null = null;
  let stopped = false;
  const working = () => last !== null && last.phase !== "ready" && last.phase !== "stopping";
  const look = async () => {
    last = await readReadyz(url, 2000, signal).catch(() => null);
    if (stopped) return;
    if (last && working()) {
      const { text, fraction } = describeState(last);
      progress.live(text, fraction);
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

async function requirePort({ paths }: Context, settings: LocalSettings): Promise<void> {
  const { port, bindAddress, containerName } = settings;
  if (await isPortFree(port, bindAddress)) return;
  const own = await findContainer(containerName);
  if (own?.running && own.ports.includes(port)) return;
  const owner = readRecord(paths.processFile)?.port === port ? "our own process" : await portOwner(port);
  const by = owner ? ` by ${owner}` : "";
  throw new CliError(`Port ${port} is taken${by}. Fix: imagegen up --port ${port + 1}`, EXIT.machine);
}

async function requireRoom({ paths }: Context, settings: LocalSettings): Promise<void> {
  const engine = await findEngine();
  const free = engine.ok ? freeBytes(engine.rootDir) : undefined;
  if (free === undefined) return;
  const plan = await planOf(paths, settings);
  const image = (await hasImage(plan.image.name)) ? 0 : IMAGE_BYTES;
  const model = (await hasVolume(settings.volumeName)) ? 0 : plan.startupEstimate.modelBytes;
  const needed = image + model + SPARE_BYTES;
  if (free >= needed) return;
  const mend = "Fix: docker system prune, or give Docker a bigger disk";
  throw new CliError(
    `Docker's disk has ${formatBytes(free)} free, ${formatBytes(needed)} are needed. ${mend}`,
    EXIT.machine,
  );
}
