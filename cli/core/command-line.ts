import { commandFor } from "../../infra/command-line.ts";
import { CliError, EXIT } from "./exit.ts";

export { commandFor } from "../../infra/command-line.ts";

/** The error for something that is not there or not running, and the command that changes that. */
export function notRunning(stack: string, message: string, command = "up"): CliError {
  return new CliError({ message, fix: commandFor(stack, command) }, EXIT.notRunning);
}
