import { commandFor, notRunning } from "../../../core/command-line.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, lastLine } from "../../../core/exit.ts";
import type { CommandResult } from "../../../service/image-gen.ts";
import { type AwsStack, openStack, requireRunning } from "../stack/stack.ts";
import { type HostCommandResult, type HostRun, runOnHost } from "./run-command.ts";
import { quote, quoteAll } from "./shell-quote.ts";

/** The exit code of a script that found no running container. */
const NO_CONTAINER = 97;

/** Runs `image-gen` in the container on the stack's host. */
export async function imageGenOnHost(context: Context, args: readonly string[]): Promise<CommandResult> {
  const stack = await openStack(context);
  const doing = `image-gen ${args[0] ?? ""}`.trim();
  const { exitCode, stdout, stderr } = await inContainer(context, stack, doing, `image-gen ${quoteAll(args)}`);
  if (stderr !== "") process.stderr.write(stderr);
  return { exitCode, stdout: stdout.replace(/\n$/, "") };
}

/**
 * Runs `command` in the container on the host; `before` is piped into it, and its output into `after`, on the host.
 * Throws a CliError when the container does not run.
 */
export async function inContainer(
  context: Context,
  stack: AwsStack,
  doing: string,
  command: string,
  around: { before?: string; after?: string } = {},
): Promise<HostCommandResult> {
  const host = await requireRunning(stack);
  const name = stack.state.containerName;
  const exec = `docker exec -i ${quote(name)} ${command}`;
  const script = [
    "set -o pipefail",
    `[ -n "$(docker ps -q -f ${quote(`name=^/?${name}$`)} -f status=running)" ] || exit ${NO_CONTAINER}`,
    `${around.before ? `${around.before} | ` : ""}${exec}${around.after ? ` | ${around.after}` : ""}`,
  ].join("\n");
  const answer = await runOnHost(hostRun(context, stack, host.id, doing), script);
  context.progress.stop();
  if (answer.exitCode !== NO_CONTAINER) return answer;
  throw notRunning(stack.name, `The container ${name} does not run on ${host.id}.`, "doctor");
}

export function hostRun(
  { progress, signal }: Context,
  { ssm, name }: AwsStack,
  instanceId: string,
  doing: string,
): HostRun {
  return { stack: name, ssm, instanceId, progress, signal, doing };
}

/** Restarts the service on the host, without waiting until it is ready. */
export async function restartOnHost(context: Context): Promise<void> {
  const stack = await openStack(context);
  const host = await requireRunning(stack);
  const run = hostRun(context, stack, host.id, "restarting the service");
  const { exitCode, stderr } = await runOnHost(run, "systemctl restart image-gen.service");
  if (exitCode === 0) return;
  const message = `The service was not restarted: ${lastLine(stderr)}`;
  throw new CliError({ message, fix: commandFor(stack.name, "logs") });
}
