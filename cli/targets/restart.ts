import type { Context } from "../core/context.ts";
import { planOf } from "../stack/model.ts";
import { isAws } from "./aws/stack/target.ts";
import { dockerOrFail } from "./docker/docker.ts";
import { locate } from "./locate.ts";
import { stopProcess } from "./process/record.ts";
import { startService } from "./process/service.ts";

/** Restarts a running service, so that it looks at its cache anew; false when none runs. A process is waited for. */
export async function restartService(context: Context): Promise<boolean> {
  const { paths, files, progress, signal } = context;
  if (isAws(context)) {
    await (await import("./aws/host/image-gen.ts")).restartOnHost(context);
    return true;
  }
  const place = await locate(context);
  if (place?.mode === "docker" && place.container.running) {
    await dockerOrFail(["restart", place.settings.containerName]);
    return true;
  }
  if (place?.mode !== "process") return false;
  await stopProcess(paths.processFile, place.record);
  const { readiness } = await planOf(paths, place.settings);
  await startService(paths, files.name, { ...place.settings, readiness }, progress, signal);
  return true;
}
