import { createInterface } from "node:readline/promises";
import { CliError, EXIT } from "./exit.ts";

/**
 * Lets `what` happen when --yes was given or a person at a terminal says so. Throws a CliError (code 4) otherwise:
 * nothing may be deleted because nobody could be asked.
 */
export async function confirm(
  what: string,
  options: { yes?: boolean | undefined; signal: AbortSignal },
): Promise<void> {
  if (options.yes) return;
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new CliError(`${what} Not done: add --yes to confirm.`, EXIT.refused);
  }
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await reader.question(`${what} Go on? [y/N] `, { signal: options.signal });
    if (/^y(es)?$/i.test(answer.trim())) return;
  } finally {
    reader.close();
  }
  throw new CliError("Nothing was changed.", EXIT.refused);
}
