import { existsSync, globSync, rmSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { commandFor, notRunning } from "../core/command-line.ts";
import { confirm } from "../core/confirm.ts";
import type { Context } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { destroyStack } from "../stack/automation-stack.ts";
import type { LocalMode } from "../stack/files.ts";
import { requirePassphrase } from "../stack/passphrase.ts";
import { describeOwner } from "../toolchain/container-owner.ts";
import {
  type Container,
  dockerOrFail,
  EngineError,
  findContainer,
  findEngine,
  hasVolume,
} from "../toolchain/docker.ts";
import { findPulumi, type Tools } from "../toolchain/pulumi.ts";
import { readRecord, readRecords, stopProcess } from "./process/record.ts";
import type { DownOptions, DownResult } from "./target.ts";

/**
 * Stops a stack's service on this machine, in either mode, because it may have been started in both; deletes the cache of
 * `mode` alone, its own. What Docker can't be asked about is no reason to call it stopped.
 */
export async function downOnThisMachine(
  context: Context,
  mode: LocalMode,
  { deleteCache = false, yes, hasCache = true }: DownOptions & { readonly hasCache?: boolean },
): Promise<DownResult> {
  const { paths, files, progress, signal } = context;
  const { name } = files;
  const engine = await findEngine();
  if (mode === "docker" && !engine.ok) throw new EngineError(engine.reason);
  const place = mode === "docker" ? volumeOf : folderOf;
  const cache = hasCache ? await place(context) : undefined;
  if (deleteCache && cache?.refusal) throw cache.refusal;
  if (deleteCache && cache) await confirm(`This deletes the downloaded models in ${cache.place}.`, { yes, signal });

  const tools = engine.ok && mayBeInState(context) ? await findPulumi(paths) : undefined;
  // Before anything is stopped.
  if (tools?.ok) requirePassphrase(paths, name);
  const stopped: ("process" | "docker")[] = [];
  const record = readRecord(paths, name);
  if (record) {
    progress.log(`Stopping the process ${record.pid} …`);
    await stopProcess(paths, record);
    stopped.push("process");
  }
  const { containerName } = files.lastSettings("local");
  const before = engine.ok ? await findContainer(containerName) : undefined;
  const destroyed = tools !== undefined && (await destroy(context, tools, before, mode));
  const left = engine.ok ? await findContainer(containerName) : undefined;
  if (before && !left) stopped.push("docker");
  if (left?.running && (mode === "docker" || stopped.length === 0)) {
    const { message, fix } = describeOwner(left, paths.root);
    throw new CliError({ message: `${message} It still runs.`, fix });
  }
  if (destroyed && !before) progress.log(`Nothing ran; what was left of the stack ${name} was removed.`);
  else if (stopped.length === 0 && !(deleteCache && hasCache))
    throw notRunning(name, `Nothing runs for the stack ${name}.`);
  if (deleteCache) await cache?.remove();
  return { stack: name, stopped, cache: cache ? [{ place: cache.place, kept: !deleteCache }] : [] };
}

/** False where Pulumi can't know of anything: its state of this checkout has no such stack. */
function mayBeInState({ paths, files }: Context): boolean {
  if (!existsSync(files.workingCopy)) return false;
  if (process.env.PULUMI_BACKEND_URL) return true;
  const folder = join(paths.state, ".pulumi", "stacks");
  return globSync(join(folder, `**/${files.name}.json*`)).length > 0;
}

/** Destroys what Pulumi made; false when it knows of nothing. */
async function destroy(
  context: Context,
  tools: Tools,
  container: Container | undefined,
  mode: LocalMode,
): Promise<boolean> {
  if (tools.ok) return (await destroyStack(context, tools.root)) !== null;
  if (container && mode === "docker") throw new CliError(tools.reason, EXIT.missingPrerequisite);
  return false;
}

/** A stack's cache on this machine, and how to delete it. */
interface Cache {
  readonly place: string;
  readonly refusal?: CliError;
  remove(): Promise<void> | void;
}

async function volumeOf({ files }: Context): Promise<Cache | undefined> {
  const { volumeName } = files.lastSettings("local");
  if (isAbsolute(volumeName)) {
    const message = `The cache is the folder ${volumeName} of this machine, which is never deleted as a whole.`;
    const refusal = new CliError({ message, fix: commandFor(files.name, "cache clear") }, EXIT.usage);
    return { place: volumeName, refusal, remove: () => {} };
  }
  if (!(await hasVolume(volumeName))) return undefined;
  const remove = async () => {
    // With `onDestroy: delete` it is gone already.
    if (await hasVolume(volumeName)) await dockerOrFail(["volume", "rm", volumeName]);
  };
  return { place: `the volume ${volumeName}`, remove };
}

/** The folder of process mode, which all stacks of the checkout share. */
function folderOf({ paths, files }: Context): Cache | undefined {
  const { data } = paths;
  if (!existsSync(data)) return undefined;
  const user = readRecords(paths).find(({ stack }) => stack !== files.name);
  const remove = () => rmSync(data, { recursive: true, force: true });
  if (!user) return { place: data, remove };
  const message = `${data} is also the cache of the stack ${user.stack}, which runs (pid ${user.pid}); nothing was changed.`;
  return { place: data, remove, refusal: new CliError({ message, fix: commandFor(user.stack, "down") }, EXIT.failed) };
}
