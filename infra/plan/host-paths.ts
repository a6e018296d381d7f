import { shellWord } from "../command-line.ts";
import { type Problem, qualifyKey } from "../config/problem.ts";
import type { LocalSettings } from "../config/settings.ts";

/** What a path of this machine is; `access`: null where its owner means nothing to the engine. */
export interface PathFacts {
  readonly kind: "file" | "folder" | "nothing" | "unreadable";
  readonly access: { readonly uid: number; readonly gid: number; readonly mode: number } | null;
}

type PathSettings = Pick<
  LocalSettings,
  "caFile" | "apiKeysFile" | "hostCache" | "modelDir" | "modelMirror" | "volumeName" | "containerUser"
>;

interface HostPath {
  readonly key: Exclude<keyof PathSettings, "containerUser">;
  readonly path: string;
  readonly kind: "file" | "folder" | "file or folder";
  /** Permission bits that the service's user needs. */
  readonly needs: number;
}

/**
 * What the engine would refuse, or the service would find it can't use, of the files and folders of this machine that config names:
 * found before a container that works is taken away.
 */
export function hostPathProblems(
  settings: PathSettings,
  factsOf: (path: string) => PathFacts | undefined,
  place: "container" | "process" = "container",
): readonly Problem[] {
  // A process has no volume.
  const paths = hostPaths(settings).filter(({ key }) => place === "container" || key !== "volumeName");
  return paths.flatMap((each) => {
    const facts = factsOf(each.path);
    return facts === undefined ? [] : problemOf(each, facts, settings.containerUser);
  });
}

function hostPaths({
  caFile,
  apiKeysFile,
  hostCache,
  modelDir,
  modelMirror,
  volumeName,
}: PathSettings): readonly HostPath[] {
  const paths = [
    { key: "caFile", path: caFile, kind: "file", needs: 0o4 },
    { key: "apiKeysFile", path: apiKeysFile, kind: "file", needs: 0o4 },
    { key: "hostCache", path: hostCache, kind: "folder", needs: 0o5 },
    { key: "modelDir", path: modelDir, kind: "file or folder", needs: 0o4 },
    { key: "modelMirror", path: modelMirror, kind: "folder", needs: 0o5 },
    { key: "volumeName", path: volumeName, kind: "folder", needs: 0o7 },
  ] as const;
  return paths.flatMap(({ path, ...rest }) => (path?.startsWith("/") ? [{ path, ...rest }] : []));
}

function problemOf({ key, path, kind, needs }: HostPath, facts: PathFacts, owner: string): readonly Problem[] {
  const problem = (expected: string, got: string, fix: Problem["fix"]) => [
    { path: qualifyKey(key), expected, got, fix },
  ];
  const quoted = shellWord(path);
  if (facts.kind === "nothing" && key === "volumeName") {
    const text = `sudo mkdir -p ${quoted} && sudo chown ${owner} ${quoted}`;
    return problem("a folder of this machine", `${path}, which does not exist`, { text });
  }
  if (facts.kind === "unreadable") {
    const got = `${path}, which this user may not read`;
    return problem(`a ${kind} of this machine`, got, { set: key, value: `<the path of a ${kind}>` });
  }
  if (facts.kind === "nothing" || (facts.kind !== kind && kind !== "file or folder")) {
    const got = facts.kind === "nothing" ? `${path}, which does not exist` : `${path}, which is a ${facts.kind}`;
    return problem(`a ${kind} of this machine`, got, { set: key, value: `<the path of a ${kind}>` });
  }
  if (facts.access === null || may(owner, facts.access, facts.kind === "folder" ? needs | 0o1 : needs)) return [];
  const { uid, gid, mode } = facts.access;
  const verb = key === "volumeName" ? "write to" : "read";
  const got = `${path} of user ${uid}:${gid} with mode ${(mode & 0o777).toString(8)}`;
  const expected = `a ${facts.kind} that user ${owner} of the container can ${verb}`;
  if (facts.kind === "file") return problem(expected, got, { text: `chmod o+r ${quoted}` });
  if (key === "volumeName") return problem(expected, got, { text: `sudo chown -R ${owner} ${quoted}` });
  return problem(expected, got, { set: "containerUser", value: `${uid}:${gid}` });
}

function may(user: string, { uid, gid, mode }: NonNullable<PathFacts["access"]>, needs: number): boolean {
  const [own, group] = user.split(":").map(Number);
  const bits = own === uid ? mode >> 6 : group === gid ? mode >> 3 : mode;
  return (bits & needs) === needs;
}
