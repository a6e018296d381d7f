import { createInterface } from "node:readline/promises";
import { CliError, EXIT } from "./exit.ts";

/**
 * Returns when --yes was given or the user at a terminal agrees to `what`. Throws a CliError (code 4) otherwise:
 * without a terminal to ask at, nothing is deleted.
 */
export async function confirm(
  what: string,
  options: { yes?: boolean | undefined; signal: AbortSignal },
): Promise<void> {
  if (options.yes) return;
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new CliError({ message: `${what} Not confirmed, nothing was changed.`, fix: "add --yes" }, EXIT.notConfirmed);
  }
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await reader.question(`${what} Continue? [y/N] `, { signal: options.signal });
    if (/^y(es)?$/i.test(answer.trim())) return;
  } finally {
    reader.close();
  }
  throw new CliError("Nothing was changed.", EXIT.notConfirmed);
}
