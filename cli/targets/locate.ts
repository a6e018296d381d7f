import type { LocalSettings } from "../../infra/config/settings.ts";
import type { Context } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { settingsOf, urlOf } from "../stack/config.ts";
import { type Container, findContainer } from "./docker/docker.ts";
import { type ProcessRecord, readRecord } from "./process/record.ts";

/** Where a stack's service runs, or ran: the process of the record, or the container that the stack's config names. */
export type Place =
  | { readonly mode: "process"; readonly url: string; readonly settings: LocalSettings; readonly record: ProcessRecord }
  | { readonly mode: "docker"; readonly url: string; readonly settings: LocalSettings; readonly container: Container };

/** Finds the stack's service; undefined when neither a process nor a container (running or not) is there. */
export async function locate({ paths, files }: Context): Promise<Place | undefined> {
  const settings = settingsOf(files.lastConfig());
  const record = readRecord(paths.processFile);
  if (record?.stack === files.name) return { mode: "process", url: record.url, settings, record };
  const container = await findContainer(settings.containerName);
  return container ? { mode: "docker", url: urlOf(settings), settings, container } : undefined;
}

/** Like `locate`, but a service that does not run is an error. */
export async function locateRunning(context: Context): Promise<Place> {
  const place = await locate(context);
  const running = place?.mode === "process" || place?.container.running;
  if (place && running) return place;
  throw new CliError(`Nothing runs for the stack ${context.files.name}: run \`imagegen up\`.`, EXIT.notRunning);
}
