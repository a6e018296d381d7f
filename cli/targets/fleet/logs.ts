import { GATEWAY_CONTAINER } from "../../../infra/contract.ts";
import { notRunning } from "../../core/command-line.ts";
import type { Context } from "../../core/context.ts";
import { openEc2 } from "../aws/client/ec2.ts";
import { LONGEST_WINDOW, printConsole, printGroup } from "../aws/host/logs.ts";
import type { LogsOptions } from "../target.ts";
import { isStaying, openFleet, readGroups } from "./fleet-stack.ts";

/** ECS calls a stream by the container and the task. */
const nameOf = (stream: string) =>
  stream.startsWith(`${GATEWAY_CONTAINER}/`)
    ? `${GATEWAY_CONTAINER} ${stream.slice(stream.lastIndexOf("/") + 1).slice(0, TASK_LETTERS)}`
    : stream;
/** Of a task's id, enough to tell tasks apart. */
const TASK_LETTERS = 8;

/** Prints the last lines of all hosts, their containers and the gateway in the order of time; of hosts that sent none, where no host has, the consoles. */
export async function printFleetLogs(context: Context, options: LogsOptions): Promise<void> {
  const { progress } = context;
  const { from } = options;
  const fleet = await openFleet(context);
  const { name, client, logGroup } = fleet;
  await printGroup(context, { client, logGroup }, options, {
    prefixOf: ({ instance, source }) => `[${nameOf(instance)}${from === null && source === "host" ? " host" : ""}] `,
    async onNone(exists) {
      if (!exists) throw notRunning(name, `There is no log group ${logGroup}.`);
      const hosts = (await readGroups(fleet)).flatMap((group) => group.hosts.filter(isStaying));
      if (hosts.length === 0 || from === "container") {
        const who = from === "container" ? "No container" : "No host";
        const none = hosts.length === 0 ? ", and there is none now" : "";
        progress.log(`${who} of the fleet ${name} has written a line in ${LONGEST_WINDOW}${none}.`);
        return;
      }
      const ec2 = await openEc2(client);
      for (const host of hosts)
        await printConsole(ec2, host, options, { prefix: `[${host.id} console] `, log: progress.log });
    },
  });
}
