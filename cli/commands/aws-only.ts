import type { Context } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { isAws } from "../targets/aws/stack/target.ts";

/** Commands that make sense for a host in AWS alone say so, with what does the like elsewhere. */
export function requireAws(context: Context, command: string, instead?: string): void {
  if (isAws(context)) return;
  const mend = `imagegen ${command} --stack aws-volume${instead ? `, or ${instead}` : ""}`;
  throw new CliError(`The stack ${context.files.name} runs on this machine, not in AWS. Fix: ${mend}`, EXIT.usage);
}
