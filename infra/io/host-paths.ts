import { accessSync, constants, statSync } from "node:fs";
import type { PathFacts } from "../plan/host-paths.ts";

/**
 * What a path of this machine is to the engine. Engines in a virtual machine, and those of a user, map owners in ways of their own;
 * one on another machine has other files altogether.
 */
export function pathFacts(
  path: string,
  { platform = process.platform, engine = process.env.DOCKER_HOST ?? "" }: { platform?: string; engine?: string } = {},
): PathFacts | undefined {
  if (/^(?:ssh|tcp):/.test(engine)) return undefined;
  const stat = statOf(path);
  if (stat === null) return undefined;
  const rootful = platform === "linux" && (engine === "" || /^unix:\/\/(?:\/var)?\/run\/docker\.sock$/.test(engine));
  if (!stat) return { kind: "nothing", access: null };
  return {
    kind: stat.isDirectory() ? "folder" : "file",
    access: rootful ? { uid: stat.uid, gid: stat.gid, mode: stat.mode } : null,
  };
}

/** What a path of this machine is to this user, as whom a process runs. */
export function ownPathFacts(path: string): PathFacts {
  const stat = statOf(path);
  if (stat === undefined) return { kind: "nothing", access: null };
  const kind = stat?.isDirectory() ? "folder" : "file";
  if (stat === null) return { kind: "unreadable", access: null };
  try {
    accessSync(path, constants.R_OK | (kind === "folder" ? constants.X_OK : 0));
    return { kind, access: null };
  } catch {
    return { kind: "unreadable", access: null };
  }
}

/** Null where this user may not look, and the engine may. */
function statOf(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return null;
  }
}
