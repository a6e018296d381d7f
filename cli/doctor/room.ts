import type { LocalSettings } from "../../infra/config/settings.ts";
import { planRoom, type Room } from "../../infra/plan/room.ts";
import { formatBytes } from "../../infra/units.ts";
import type { Paths } from "../core/paths.ts";
import { planOf } from "../stack/model.ts";
import { hasImage } from "../toolchain/docker.ts";
import { cachedBuild, dockerUsage } from "../toolchain/docker-usage.ts";
import { stackImage } from "../toolchain/stack-image.ts";

/** What makes room on Docker's disk and loses nothing that is in use. */
export const ROOM_FIX =
  "docker image prune --all (images that no container uses); docker system df shows what takes it";

/** Whether a build's packages are there; a record of an interrupted build is smaller. */
const WHOLE_BYTES = 1e9;

/** What `up` takes of Docker's disk, beside what is there. */
export async function inspectRoom(paths: Paths, settings: LocalSettings): Promise<Room> {
  const plan = await planOf(paths, settings);
  const [imageIsHere, usage] = await Promise.all([hasImage(stackImage(paths, plan.image)), dockerUsage()]);
  const build = cachedBuild(usage ?? { buildCache: [] });
  return planRoom(plan, {
    hasImage: imageIsHere,
    hasDownloads: build.downloads > WHOLE_BYTES,
    hasPackages: build.packages > WHOLE_BYTES,
    volumeBytes: usage?.volumes.find(({ name }) => name === settings.volumeName)?.bytes ?? 0,
  });
}

/** "16.6 GB: 4.98 GB the image, …". */
export function describeRoom({ bytes, parts }: Pick<Room, "bytes" | "parts">): string {
  if (parts.length === 0) return formatBytes(bytes);
  return `${formatBytes(bytes)} (${parts.map((part) => `${part.what} ${formatBytes(part.bytes)}`).join(", ")})`;
}
