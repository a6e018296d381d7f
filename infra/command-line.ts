import { DEFAULT_STACK } from "./contract.ts";

/** A command of `imagegen` for `stack`, as messages of the program show it: "imagegen up --port 8001 --stack prod". */
export function imagegenCommand(stack: string, command: string): string {
  return `imagegen ${command}${stack === DEFAULT_STACK ? "" : ` --stack ${stack}`}`;
}

/** The variable that says which command reaches the cache, for the messages of the service; its readers are outside of the container. */
export const READER_VARIABLE = "IMAGE_GEN_COMMAND";

/** That variable for a stack: "imagegen --stack prod". */
export const imagegenReader = (stack: string): Readonly<Record<string, string>> => ({
  [READER_VARIABLE]: imagegenCommand(stack, "").replace(/ +/g, " ").trim(),
});
