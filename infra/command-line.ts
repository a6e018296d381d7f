import { DEFAULT_STACK } from "./contract.ts";

/** A command of `imagegen` for `stack`, as messages of the program show it: "imagegen up --port 8001 --stack prod". */
export function imagegenCommand(stack: string, command: string): string {
  return `imagegen ${command}${stack === DEFAULT_STACK ? "" : ` --stack ${stack}`}`;
}
