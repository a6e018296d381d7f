import type { Context } from "../../core/context.ts";
import { CliError } from "../../core/exit.ts";
import { type CommandResult, toExitCode } from "../../service/image-gen.ts";
import { selectTarget } from "../../targets/select.ts";

/** Runs a command of `image-gen`; its output is the result and its exit code that of the command. */
export async function passThrough(context: Context, args: readonly string[]): Promise<void> {
  const target = await selectTarget(context);
  printOutput(await target.exec([...args, ...(context.json ? ["--json"] : [])], { ownContainer: true }));
}

/** Prints what `image-gen` printed. Throws a CliError with `message` if it failed; "": its own output has the reason. */
export function printOutput({ exitCode, stdout }: CommandResult, message = ""): void {
  if (stdout !== "") process.stdout.write(`${stdout}\n`);
  if (exitCode !== 0) throw new CliError(message, toExitCode(exitCode));
}
