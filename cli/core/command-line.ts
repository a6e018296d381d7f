import { DEFAULT_STACK } from "../../infra/contract.ts";

/** A command of this program for `stack`, as messages show it: "imagegen up --port 8001 --stack prod". */
export function commandFor(stack: string, command: string): string {
  return `imagegen ${command}${stack === DEFAULT_STACK ? "" : ` --stack ${stack}`}`;
}
