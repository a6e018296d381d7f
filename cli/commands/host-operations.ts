import { commandFor } from "../core/command-line.ts";
import type { Context } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { selectTarget } from "../targets/select.ts";
import type { HostOperations } from "../targets/target.ts";

/** The operations of a stack with a host of its own. Throws a CliError elsewhere; `instead`: the command to use there. */
export async function requireHost(context: Context, instead: string): Promise<HostOperations> {
  const { host } = await selectTarget(context);
  if (host) return host;
  const { name } = context.files;
  const message = `The stack ${name} runs on this machine, not on a host in AWS.`;
  throw new CliError({ message, fix: commandFor(name, instead) }, EXIT.usage);
}
