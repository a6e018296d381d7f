import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { KEYS } from "../../infra/config/schema.ts";
import { PROJECT } from "../../infra/contract.ts";
import type { Context } from "../core/context.ts";
import { readText } from "../stack/config.ts";
import type { LocalMode } from "../stack/files.ts";
import { EngineError, findContainer, hasVolume } from "../toolchain/docker.ts";
import { venvProgram } from "../toolchain/uv.ts";
import { readRecord } from "./process/record.ts";

/**
 * Where the service and the cache of a stack on this machine are: where its process runs, else where it was last started.
 * The only place that decides this; every command acts there or not at all. What an engine that can't be asked may have is
 * never replaced by another place's.
 */
export async function findMode(context: Pick<Context, "paths" | "files">): Promise<LocalMode> {
  const started = lastStarted(context);
  if (started) return started;
  // Never started by this command: what Compose has left, say.
  try {
    if (await isInDocker(context)) return "docker";
    return existsSync(venvProgram(context.paths.venv, "python")) ? "process" : "docker";
  } catch (error) {
    if (error instanceof EngineError) return "process";
    throw error;
  }
}

/** Where this command, or an earlier version of it, has started the stack; undefined: nowhere. */
export function lastStarted({ paths, files }: Pick<Context, "paths" | "files">): LocalMode | undefined {
  if (readRecord(paths, files.name)) return "process";
  return files.lastMode() ?? (hasDockerState({ paths, files }) ? "docker" : undefined);
}

async function isInDocker({ files }: Pick<Context, "files">): Promise<boolean> {
  const config = files.lastConfig();
  const name = (key: "containerName" | "volumeName") => readText(config, key) ?? KEYS[key].default;
  return (await findContainer(name("containerName"))) !== undefined || (await hasVolume(name("volumeName")));
}

/** Whether Pulumi's state, of this checkout, has a container or a volume of the stack. */
function hasDockerState({ paths, files }: Pick<Context, "paths" | "files">): boolean {
  const folder = join(paths.state, ".pulumi", "stacks", PROJECT);
  const found = existsSync(folder) ? readdirSync(folder).filter((file) => file === `${files.name}.json`) : [];
  return found.some((file) => readFileSync(join(folder, file), "utf8").includes("docker:index/"));
}
