/** The stack of a command line that names none. */
export const DEFAULT_STACK = "local";

/** A command of this program for `stack`, as messages show it: "imagegen up --port 8001 --stack prod". */
export function commandFor(stack: string, command: string): string {
  return `imagegen ${command}${stack === DEFAULT_STACK ? "" : ` --stack ${stack}`}`;
}
