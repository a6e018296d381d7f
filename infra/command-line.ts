import { DEFAULT_STACK } from "./contract.ts";

/** A command of `imagegen` for `stack`, as messages of the program show it: "imagegen up --port 8001 --stack prod". */
export function imagegenCommand(stack: string, command: string): string {
  return `imagegen ${command}${stack === DEFAULT_STACK ? "" : ` --stack ${stack}`}`;
}

/**
 * A word as a shell takes it, for a command that a message shows. Placeholders, such as `<path>` and `…`, are the reader's to
 * replace and stay as they are.
 */
export function shellWord(word: string): string {
  if (/^(?:[\w./@%+=:,…-]|<[^<>]*>)+$/.test(word)) return word;
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** The variable that says which command reaches the cache, for the messages of the service; its readers are outside of the container. */
export const READER_VARIABLE = "IMAGE_GEN_COMMAND";

/** That variable for a stack: "imagegen --stack prod". */
export const imagegenReader = (stack: string): Readonly<Record<string, string>> => ({
  [READER_VARIABLE]: imagegenCommand(stack, "").replace(/ +/g, " ").trim(),
});
