import type { Command } from "commander";
import { type CommonOptions, type Context, openContext, print } from "../core/context.ts";
import { requireAws } from "./aws-only.ts";

const EXAMPLES = `
Examples:
  imagegen stop --stack aws-volume     the host stops; its volume, and so the model, stays`;

export function addStop(program: Command, signal: AbortSignal): void {
  program
    .command("stop")
    .description("AWS: stop the host, which then costs no more than its disks; the cache stays")
    .addHelpText("after", EXAMPLES)
    .action(async (_options: unknown, command: Command) => {
      const context = openContext(command.optsWithGlobals<CommonOptions>(), signal);
      requireAws(context, "stop", "imagegen down");
      print(
        context,
        await stop(context),
        ({ host }) => `${host} is stopped: imagegen start --stack ${context.files.name}`,
      );
    });
}

async function stop(context: Context): Promise<{ host: string; state: "stopped" }> {
  const [{ openStack, requireHost }, { stopHost, refuseSelfHealing }] = await Promise.all([
    import("../targets/aws/stack/stack.ts"),
    import("../targets/aws/operations/start-stop.ts"),
  ]);
  refuseSelfHealing(context, "stopped");
  const stack = await openStack(context);
  const host = await requireHost(stack);
  await stopHost(context, stack, host);
  return { host: host.id, state: "stopped" };
}
