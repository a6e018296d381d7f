import { existsSync, rmSync } from "node:fs";
import type { Command } from "commander";
import { confirm } from "../core/confirm.ts";
import { type CommonOptions, type Context, openContext, print } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { LocalStack, newLog } from "../stack/automation-stack.ts";
import { settingsOf } from "../stack/config.ts";
import { isAws } from "../targets/aws/stack/target.ts";
import { dockerOrFail, findContainer, findEngine, hasVolume } from "../targets/docker/docker.ts";
import { readRecord, stopProcess } from "../targets/process/record.ts";
import { findPulumi } from "../toolchain/pulumi.ts";

interface DownOptions extends CommonOptions {
  readonly deleteCache?: boolean;
  readonly yes?: boolean;
}

interface DownResult {
  readonly stopped: ("process" | "docker")[];
  readonly cache: { readonly place: string; readonly kept: boolean }[];
}

const EXAMPLES = `
Examples:
  imagegen down                        stop and remove the service; the next start finds its model again
  imagegen down --delete-cache --yes   remove the downloaded models as well`;

export function addDown(program: Command, signal: AbortSignal): void {
  program
    .command("down")
    .description("stop the service and remove what up made; the cache stays")
    .option("--delete-cache", "remove the downloaded models as well (asks first)")
    .option("-y, --yes", "do not ask")
    .addHelpText("after", EXAMPLES)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<DownOptions>();
      const context = openContext(options, signal);
      if (isAws(context)) {
        const { downInAws } = await import("../targets/aws/stack/down.ts");
        print(
          context,
          await downInAws(context, options),
          ({ stack }) => `The stack ${stack} is gone from AWS, but for what it keeps (onDestroy).`,
        );
        return;
      }
      print(context, await down(context, options), describe);
    });
}

async function down(context: Context, options: DownOptions): Promise<DownResult> {
  const { paths, files, progress, signal } = context;
  const settings = settingsOf(files.lastConfig());
  const engine = await findEngine();
  const volume = engine.ok && (await hasVolume(settings.volumeName)) ? settings.volumeName : undefined;
  const folder = existsSync(paths.data) ? paths.data : undefined;
  const places = [...(volume ? [`the volume ${volume}`] : []), ...(folder ? [folder] : [])];
  if (options.deleteCache && places.length > 0) {
    await confirm(`This deletes the downloaded models in ${places.join(" and ")}.`, { yes: options.yes, signal });
  }

  const stopped: ("process" | "docker")[] = [];
  const record = readRecord(paths.processFile);
  if (record?.stack === files.name) {
    progress.line(`Stopping the process ${record.pid} …`);
    await stopProcess(paths.processFile, record);
    stopped.push("process");
  }
  if (existsSync(files.copy) && engine.ok && (await destroyStack(context))) stopped.push("docker");
  else if (engine.ok && (await findContainer(settings.containerName)) && stopped.length === 0) {
    const mend = `docker rm --force ${settings.containerName}`;
    throw new CliError(`The container ${settings.containerName} was not made by this checkout. Fix: ${mend}`);
  }
  if (options.deleteCache) {
    if (volume && (await hasVolume(volume))) await dockerOrFail(["volume", "rm", volume]);
    if (folder) rmSync(folder, { recursive: true, force: true });
  }
  if (stopped.length === 0 && !options.deleteCache) {
    throw new CliError(`Nothing runs for the stack ${files.name}.`, EXIT.notRunning);
  }
  return { stopped, cache: places.map((place) => ({ place, kept: !options.deleteCache })) };
}

/** Destroys the stack's resources; false when Pulumi knows of none. */
async function destroyStack({ paths, files, progress, signal }: Context): Promise<boolean> {
  const tools = await findPulumi(paths);
  if (!tools.ok) return false;
  const log = newLog(paths, `down-${files.name}`);
  const stack = await LocalStack.open(paths, files, log, tools.root);
  if (!(await stack.hasResources())) return false;
  progress.line(`Removing the stack ${files.name} with Pulumi (log ${log}) …`);
  await stack.destroy({ signal, onText: (text) => progress.live(text) });
  progress.settle();
  return true;
}

function describe({ stopped, cache }: DownResult): string {
  const what = { process: "the process", docker: "the container" };
  const lines = stopped.length > 0 ? [`Stopped ${stopped.map((mode) => what[mode]).join(" and ")}.`] : [];
  for (const { place, kept } of cache)
    lines.push(kept ? `Kept the models in ${place}.` : `Deleted the models in ${place}.`);
  return lines.join("\n");
}
