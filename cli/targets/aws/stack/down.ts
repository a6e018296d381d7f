import { confirm } from "../../../core/confirm.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import { LocalStack, newLog } from "../../../stack/automation-stack.ts";
import { findPulumi } from "../../../toolchain/pulumi.ts";

/** Destroys what the stack has in AWS; what becomes of the volume is for its config (`onDestroy`) to say. */
export async function downInAws(
  { paths, files, progress, signal }: Context,
  options: { deleteCache?: boolean; yes?: boolean },
): Promise<{ stack: string }> {
  if (options.deleteCache) {
    const mend = `imagegen up --stack ${files.name} --config onDestroy=delete, then imagegen down`;
    throw new CliError(`--delete-cache: a volume in AWS goes only where its config says so. Fix: ${mend}`, EXIT.usage);
  }
  const tools = await findPulumi(paths);
  if (!tools.ok) throw new CliError(tools.message, EXIT.machine);
  await confirm(`This removes the host of ${files.name} and all that belongs to it.`, { yes: options.yes, signal });
  const log = newLog(paths, `down-${files.name}`);
  files.write({});
  const stack = await LocalStack.open(paths, files, log, tools.root);
  if (!(await stack.hasResources())) throw new CliError(`Nothing runs for the stack ${files.name}.`, EXIT.notRunning);
  progress.line(`Removing the stack ${files.name} with Pulumi (log ${log}) …`);
  await stack.destroy({ signal, onText: (text) => progress.live(text) });
  progress.settle();
  return { stack: files.name };
}
