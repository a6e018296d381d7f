import type { Command } from "commander";
import { formatSeconds } from "../../infra/units.ts";
import { commandFor } from "../core/command-line.ts";
import { action, type Context, print } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { wholeNumber } from "../core/options.ts";
import { selectTarget } from "../targets/select.ts";
import type { HostOperations, PinResult, PowerOperations, StartResult, StopResult } from "../targets/target.ts";

/** The operations of a stack with a host of its own. Throws a CliError elsewhere; `instead`: the command to use there. */
export async function requireHost(context: Context, instead: string): Promise<HostOperations> {
  const { host, fleet } = await selectTarget(context);
  if (host) return host;
  const { name } = context.files;
  const why = fleet ? "is a fleet: it has no host that stays, and no volume" : HERE;
  throw new CliError({ message: `The stack ${name} ${why}.`, fix: commandFor(name, instead) }, EXIT.usage);
}

const HERE = "runs on this machine, not on a host in AWS";

/** What a stack with hosts can do, one or a fleet's. Throws a CliError elsewhere; `instead`: the command to use there. */
export async function requireHosts(context: Context, instead: string): Promise<PowerOperations> {
  const { host, fleet } = await selectTarget(context);
  const operations = host ?? fleet;
  if (operations) return operations;
  const { name } = context.files;
  throw new CliError({ message: `The stack ${name} ${HERE}.`, fix: commandFor(name, instead) }, EXIT.usage);
}

const STOP_HELP = `
Examples:
  imagegen stop --stack aws-volume     stops the instance; its volume, and so the model, is kept
  imagegen stop --stack aws-fleet      ends all hosts; jobs wait, and none is started for them until \`imagegen start\``;

export function addStop(program: Command, signal: AbortSignal): void {
  program
    .command("stop")
    .description("AWS: stop the instance, of which only the disks are billed then, or all hosts of a fleet")
    .addHelpText("after", STOP_HELP)
    .action(
      action(signal, async (context) => {
        const stopped = await (await requireHosts(context, "down")).stop();
        print(context, stopped, (result) => describeStop(result, context.files.name));
      }),
    );
}

function describeStop({ host, hosts = [], waiting }: StopResult, stack: string): string {
  if (host !== null) return `${host} is stopped: ${commandFor(stack, "start")}`;
  const ended = hosts.length === 0 ? "it had no host" : `its hosts have ended: ${hosts.join(", ")}`;
  return `The fleet ${stack} is stopped, ${ended}; jobs that wait: ${waiting}. To start it: ${commandFor(stack, "start")}`;
}

const START_HELP = `
Examples:
  imagegen start --stack aws-volume              returns when the service can make pictures
  imagegen start --stack aws-volume --no-wait    returns when the instance runs
  imagegen start --stack aws-fleet               lets hosts start again, and waits for the first worker where jobs wait`;

export function addStart(program: Command, signal: AbortSignal): void {
  program
    .command("start")
    .description("AWS: start the stopped instance, or the fleet, and wait until the service is ready")
    .option("--no-wait", "do not wait for the service")
    .option("--timeout <seconds>", "how long to wait for the service", wholeNumber("--timeout"), 1800)
    .addHelpText("after", START_HELP)
    .action(
      action<{ wait: boolean; timeout: number }, []>(signal, async (context, options) => {
        print(context, await (await requireHosts(context, "up")).start(options), (result) =>
          describeStart(result, context.files.name),
        );
      }),
    );
}

function describeStart({ host, ready, model, seconds, desired = 0 }: StartResult, stack: string): string {
  if (host === null) {
    if (ready) return `Ready: a worker of the fleet ${stack} (${formatSeconds(seconds)})`;
    return `The fleet ${stack} is started: ${desired === 0 ? "no job waits, so that it needs no host" : `hosts on their way: ${desired}`}`;
  }
  return `${ready ? `Ready: ${model ?? "the service"} on ${host}` : `${host} runs`} (${formatSeconds(seconds)})`;
}

const DRAIN_HELP = `
Examples:
  imagegen drain --stack aws-fleet     then \`imagegen stop\`, which costs no picture, or \`imagegen start\`, which takes jobs again`;

export function addDrain(program: Command, signal: AbortSignal): void {
  program
    .command("drain")
    .description("fleet: take no more jobs, and wait until those that workers have are done; hosts stay")
    .option("--timeout <seconds>", "how long to wait for the jobs", wholeNumber("--timeout"), 1800)
    .addHelpText("after", DRAIN_HELP)
    .action(
      action<{ timeout: number }, []>(signal, async (context, options) => {
        const { fleet, host } = await selectTarget(context);
        const { name } = context.files;
        const fix = commandFor(name, host ? "stop" : "down");
        if (!fleet) throw new CliError({ message: `The stack ${name} is no fleet in AWS.`, fix }, EXIT.usage);
        print(context, await fleet.drain(options), ({ workers, waiting, seconds }) => {
          const done = `The fleet ${name} is drained (${formatSeconds(seconds)}): workers that take no jobs: ${workers.length}; jobs that wait: ${waiting}.`;
          const rest = workers.length > 0 ? ` Their hosts run, and cost, until ${commandFor(name, "stop")}.` : "";
          return `${done}${rest} To take jobs again: ${commandFor(name, "start")}`;
        });
      }),
    );
}

const PIN_HELP = `
Examples:
  imagegen pin --stack aws-volume              writes the host's own machine image into the config: nothing changes
  imagegen pin --refresh --stack aws-volume    writes the newest one; the next up replaces the host, never the volume`;

export function addPin(program: Command, signal: AbortSignal): void {
  program
    .command("pin")
    .description("AWS: write the machine image (AMI) into the stack's config")
    .option("--refresh", "the newest one of its kind")
    .addHelpText("after", PIN_HELP)
    .action(
      action<{ refresh?: boolean }, []>(signal, async (context, options) => {
        const pinned = await (await requireHost(context, "up")).pin(options);
        print(context, pinned, (result) => describePin(result, context.files.name));
      }),
    );
}

const SOURCES = { host: "the host's own", newest: "the newest", config: "unchanged" };

function describePin({ amiId, from, before, replaces, file }: PinResult, stack: string): string {
  const lines = [`amiId=${amiId} (${SOURCES[from]}${before && before !== amiId ? `; before: ${before}` : ""})`];
  if (file) lines.push(`Written to ${file}.`);
  if (replaces) lines.push(`The next \`${commandFor(stack, "up")}\` replaces the host; the volume is kept.`);
  return lines.join("\n");
}
