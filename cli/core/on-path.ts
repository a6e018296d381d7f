import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

const EXECUTABLE_SUFFIX = process.platform === "win32" ? ".exe" : "";

/** The full path of a program on PATH. */
export function onPath(name: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const folders = (env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, `${name}${EXECUTABLE_SUFFIX}`)).find((path) => existsSync(path));
}
