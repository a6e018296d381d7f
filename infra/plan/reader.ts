import { READER_VARIABLE } from "../command-line.ts";
import type { HostPlan } from "./container.ts";

/** What the mounts of the container are called outside, as JSON: a volume's name, or a path of the machine. */
const READER_MOUNTS_VARIABLE = "IMAGE_GEN_MOUNTS";

/** For the messages of a container's service, whose readers are outside: their command, and their names of its mounts. */
export function containerReader(command: string, { volume, bindMounts }: HostPlan): Readonly<Record<string, string>> {
  const mounts = [[volume.path, volume.name], ...bindMounts.map(({ source, target }) => [target, source])];
  return { [READER_VARIABLE]: command, [READER_MOUNTS_VARIABLE]: JSON.stringify(Object.fromEntries(mounts)) };
}
