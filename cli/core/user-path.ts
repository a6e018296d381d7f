import { homedir } from "node:os";
import { resolve } from "node:path";

/**
 * A path as the user's shell means it: below the folder that they are in, which `npm run` changes, and with `~`, which a
 * shell leaves alone inside of quotes.
 */
export function userPath(path: string, env: NodeJS.ProcessEnv = process.env): string {
  const home = env.HOME || homedir();
  const folder = env.npm_lifecycle_event === undefined ? undefined : env.INIT_CWD;
  return resolve(folder || process.cwd(), path.replace(/^~(?=\/|$)/, home));
}
