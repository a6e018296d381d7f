import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { KEYS } from "../../infra/config/schema.ts";
import { PROJECT } from "../../infra/contract.ts";
import { readOwner } from "../../infra/plan/owner.ts";
import type { Context } from "../core/context.ts";
import { readText } from "../stack/config.ts";
import { type LocalMode, StackFiles } from "../stack/files.ts";
import { isForeign } from "../toolchain/container-owner.ts";
import { EngineError, findContainer, hasVolume } from "../toolchain/docker.ts";
import { serviceLogFile } from "./process/log-file.ts";
import { readRecord } from "./process/record.ts";

/**
 * Where the service and the cache of a stack on this machine are: where its process runs, else where it was last started;
 * undefined: nowhere. The only place that decides this; every command acts there or not at all. What an engine that can't be
 * asked may have is never replaced by another place's.
 */
export async function findMode(context: Pick<Context, "paths" | "files">): Promise<LocalMode | undefined> {
  const started = lastStarted(context);
  if (started) return started;
  // Never started by this command: what Compose has left, say.
  try {
    if (await isInDocker(context)) return "docker";
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    // Each command says itself that it can't ask the engine. Without Docker, nothing is in it.
    if (error.isInstalled) return hasServiceLog(context) ? "process" : "docker";
  }
  return hasServiceLog(context) ? "process" : undefined;
}

/** Where this command, or an earlier version of it, has started the stack; undefined: nowhere. */
export function lastStarted({ paths, files }: Pick<Context, "paths" | "files">): LocalMode | undefined {
  if (readRecord(paths, files.name)) return "process";
  return files.lastMode() ?? (hasDockerState({ paths, files }) ? "docker" : undefined);
}

async function isInDocker({ paths, files }: Pick<Context, "paths" | "files">): Promise<boolean> {
  const { containerName, volumeName } = namesOf(files);
  const container = await findContainer(containerName);
  // Of two stacks with the same names, the container and its volume are the one's that made it.
  if (container && readOwner(container.labels)?.kind === "stack")
    return !isForeign(container, { stack: files.name, root: paths.root });
  if (container) return true;
  const others = files.knownStacks().filter((name) => name !== files.name);
  const user = others
    .map((name) => new StackFiles(paths, name))
    .find((other) => other.lastMode() === "docker" && namesOf(other).volumeName === volumeName);
  return !user && (await hasVolume(volumeName));
}

function namesOf(files: StackFiles) {
  const config = files.lastConfig();
  const name = (key: "containerName" | "volumeName") => readText(config, key) ?? KEYS[key].default;
  return { containerName: name("containerName"), volumeName: name("volumeName") };
}

/** What every version has left of a stack that it started as a process. */
function hasServiceLog({ paths, files }: Pick<Context, "paths" | "files">): boolean {
  return existsSync(serviceLogFile(paths, files.name));
}

/** Whether Pulumi's state, of this checkout, has a container or a volume of the stack. */
function hasDockerState({ paths, files }: Pick<Context, "paths" | "files">): boolean {
  const folder = join(paths.state, ".pulumi", "stacks", PROJECT);
  const found = existsSync(folder) ? readdirSync(folder).filter((file) => file === `${files.name}.json`) : [];
  return found.some((file) => readFileSync(join(folder, file), "utf8").includes("docker:index/"));
}
