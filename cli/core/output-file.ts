import { accessSync, constants, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { CliError, EXIT } from "./exit.ts";

/** Throws a CliError unless `file` can be written: before the work whose result it is to hold. */
export function requireOutput(file: string): void {
  const folder = dirname(resolve(file));
  const found = statOf(file);
  const place = statOf(folder);
  if (found?.isDirectory()) throw refused(`${file} is a folder.`, "name a file in it");
  if (!place) throw refused(`${file} can't be written: there is no folder ${folder}.`, `mkdir -p '${folder}'`);
  if (!place.isDirectory()) throw refused(`${file} can't be written: ${folder} is a file.`, "name another folder");
  try {
    accessSync(found ? file : folder, constants.W_OK);
  } catch {
    throw refused(`${found ? file : folder} can't be written by this user.`, "name another folder");
  }
}

/** Also undefined below a file (ENOTDIR). */
export function statOf(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

const refused = (message: string, fix: string) => new CliError({ message, fix }, EXIT.usage);
