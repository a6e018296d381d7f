import { existsSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { repositoryOf } from "../../infra/config/hub-id.ts";
import type { LocalSettings } from "../../infra/config/settings.ts";
import { planRoom, type Room } from "../../infra/plan/room.ts";
import { formatBytes } from "../../infra/units.ts";
import type { Paths } from "../core/paths.ts";
import { planOf } from "../stack/model.ts";
import { hasImage } from "../toolchain/docker.ts";
import { cachedBuild, type DockerUsage, dockerUsage } from "../toolchain/docker-usage.ts";
import { stackImage } from "../toolchain/stack-image.ts";

/** What makes room on Docker's disk and loses nothing that is in use. */
export const ROOM_FIX =
  "docker image prune --all (images that no container uses); docker system df shows what takes it";

/** Whether a build's packages are there; a record of an interrupted build is smaller. */
export const WHOLE_BYTES = 1e9;

/** What `up` takes of Docker's disk, beside what is there. */
export async function inspectRoom(paths: Paths, settings: LocalSettings): Promise<Room> {
  const plan = await planOf(paths, settings);
  const [imageIsHere, usage] = await Promise.all([hasImage(stackImage(paths, plan.image)), dockerUsage()]);
  const build = cachedBuild(usage ?? { buildCache: [] });
  return planRoom(plan, {
    hasImage: imageIsHere,
    hasDownloads: build.downloads > WHOLE_BYTES,
    hasPackages: build.packages > WHOLE_BYTES,
    volumeBytes: isElsewhere(settings) ? Number.POSITIVE_INFINITY : volumeBytes(settings, usage),
  });
}

/** Whether the model lies, or will, beside Docker's disk: in a directory of the host, or in the host's own cache. */
export function isElsewhere({
  volumeName,
  hostCache,
  modelId,
}: Pick<LocalSettings, "volumeName" | "hostCache" | "modelId">) {
  if (isAbsolute(volumeName)) return true;
  const folder = `models--${repositoryOf(modelId).replaceAll("/", "--")}`;
  return hostCache !== null && [hostCache, join(hostCache, "hub")].some((hub) => existsSync(join(hub, folder)));
}

function volumeBytes({ volumeName }: LocalSettings, usage: DockerUsage | undefined): number {
  return usage?.volumes.find(({ name }) => name === volumeName)?.bytes ?? 0;
}

/** "16.6 GB: 4.98 GB the image, …". */
export function describeRoom({ bytes, parts }: Pick<Room, "bytes" | "parts">): string {
  if (parts.length === 0) return formatBytes(bytes);
  return `${formatBytes(bytes)} (${parts.map((part) => `${part.what} ${formatBytes(part.bytes)}`).join(", ")})`;
}
