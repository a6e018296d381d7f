import { imagegenCommand, READER_VARIABLE } from "../../infra/command-line.ts";
import { CliError, EXIT } from "./exit.ts";

/** The names under which npm starts this command: `npm start`, `npm run imagegen`, `npx imagegen`. */
const STARTED_BY_NPM = ["start", "imagegen", "npx"];

/**
 * A command of this program for `stack`, as its reader types it. npm puts `imagegen` on no PATH, so that who came by npm
 * is shown `npx imagegen up --port 8001 --stack prod`.
 */
export function commandFor(stack: string, command: string): string {
  const byNpm = STARTED_BY_NPM.includes(process.env.npm_lifecycle_event ?? "");
  return `${byNpm ? "npx " : ""}${imagegenCommand(stack, command)}`;
}

/** How `image-gen` is to name its commands: the reader of its messages has this command, and not that one. */
export function readerEnvironment(stack: string): Readonly<Record<string, string>> {
  return { [READER_VARIABLE]: commandFor(stack, "").replace(/ {2,}/, " ").trim() };
}

/** The error for something that is not there or not running, and the command that changes that. */
export function notRunning(stack: string, message: string, command = "up"): CliError {
  return new CliError({ message, fix: commandFor(stack, command) }, EXIT.notRunning);
}
