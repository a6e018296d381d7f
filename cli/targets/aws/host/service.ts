import type { Context } from "../../../core/context.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import { checkedSettings } from "../../../stack/config.ts";
import { openStack, requireRunning } from "../stack/stack.ts";
import { openTunnel, type Tunnel } from "./tunnel.ts";

/** Where a client on this machine reaches the service: through a tunnel, or at its load balancer. */
export interface ReachedService {
  readonly url: string;
  readonly tunnel?: Tunnel;
}

/** `port`: this machine's end of the tunnel; the stack's port when it is not said. */
export async function openService(context: Context, port?: string): Promise<ReachedService> {
  const { files } = context;
  const settings = checkedSettings(files.config());
  if (settings.target !== "aws") throw new CliError(`The stack ${files.name} is not one of AWS.`, EXIT.usage);
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) > 0 && Number(port) < 65_536))
    throw new CliError(`--port: expected a port, got "${port}".`, EXIT.usage);
  const stack = await openStack(context);
  if (settings.access === "alb") {
    await requireRunning(stack);
    const { url } = stack.outputs;
    if (url) return { url };
    throw new CliError(
      `The stack ${files.name} has no address yet: imagegen up --stack ${files.name}`,
      EXIT.notRunning,
    );
  }
  const tunnel = await openTunnel(context, stack, port === undefined ? settings.port : Number(port));
  return { url: tunnel.url, tunnel };
}
