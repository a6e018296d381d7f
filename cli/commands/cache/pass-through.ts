import type { Context } from "../../core/context.ts";
import { CliError, EXIT, type ExitCode } from "../../core/exit.ts";
import { runImageGen } from "../../service/image-gen.ts";

/** Runs a command of `image-gen` and ends as it ended: its output is the result, its exit codes are ours. */
export async function passThrough(context: Context, args: readonly string[]): Promise<void> {
  const all = [...args, ...(context.json ? ["--json"] : [])];
  const { exitCode, stdout } = await runImageGen(context, all, { ownContainer: true });
  if (stdout !== "") process.stdout.write(`${stdout}\n`);
  if (exitCode !== 0) throw new CliError("", ownCode(exitCode));
}

/** Whether a backup's place is one that `image-gen` itself reads and writes, wherever it runs. */
export function isBucket(place: string): boolean {
  return place.startsWith("s3://");
}

/** The codes that `image-gen` shares with us; any other (a container that was stopped, say) is a failure. */
export function ownCode(exitCode: number): ExitCode {
  const shared: readonly ExitCode[] = [EXIT.ok, EXIT.failed, EXIT.usage, EXIT.damaged, EXIT.refused];
  return shared.find((code) => code === exitCode) ?? EXIT.failed;
}
