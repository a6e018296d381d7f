import { DEFAULT_STACK } from "../../infra/contract.ts";
import { CliError, EXIT } from "./exit.ts";

/** A command of this program for `stack`, as messages show it: "imagegen up --port 8001 --stack prod". */
export function commandFor(stack: string, command: string): string {
  return `imagegen ${command}${stack === DEFAULT_STACK ? "" : ` --stack ${stack}`}`;
}

/** The error for something that is not there or not running, and the command that changes that. */
export function notRunning(stack: string, message: string, command = "up"): CliError {
  return new CliError({ message, fix: commandFor(stack, command) }, EXIT.notRunning);
}
