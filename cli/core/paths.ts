import { join, resolve } from "node:path";

/** Where the pieces of one checkout are. All that the tools make is below `.imagegen`, which Git ignores. */
export type Paths = Readonly<ReturnType<typeof pathsOf>>;

/** The paths of the checkout at `root`; by default the one that this file is in. */
export function pathsOf(root: string = resolve(import.meta.dirname, "../..")) {
  const home = join(root, ".imagegen");
  return {
    root,
    home,
    tools: join(home, "tools"),
    venv: join(home, "venv"),
    pulumi: join(home, "pulumi"),
    state: join(home, "state"),
    passphrase: join(home, "passphrase"),
    stacks: join(home, "stacks"),
    trackedStacks: join(root, "stacks"),
    data: join(home, "data"),
    baked: join(home, "models"),
    pictures: join(home, "pictures"),
    logs: join(home, "logs"),
    processes: join(home, "processes"),
    rates: join(home, "rates"),
    /** The one process that releases before 0.2 knew. */
    oldProcessFile: join(home, "process.json"),
    imageGen: join(root, "image-gen"),
    manifests: join(root, "image-gen", "models"),
  };
}
