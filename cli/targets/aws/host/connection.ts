import { commandFor } from "../../../core/command-line.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import type { Connection } from "../../target.ts";
import { openStack, requireRunning } from "../stack/stack.ts";
import { openTunnel } from "./tunnel.ts";

/** To the load balancer, or through a tunnel with the local end `port` (default: the stack's port). */
export async function openConnection(context: Context, port?: number): Promise<Connection> {
  const { name } = context.files;
  const settings = context.files.settings("aws");
  const stack = await openStack(context);
  if (settings.access !== "alb") return openTunnel(context, stack, port ?? settings.port);
  await requireRunning(stack);
  const { url } = stack.outputs;
  if (url) return { url, close: () => {} };
  throw new CliError(
    { message: `The stack ${name} has no address yet.`, fix: commandFor(name, "up") },
    EXIT.notRunning,
  );
}
