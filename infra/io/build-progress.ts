import { execFile } from "node:child_process";
import { readFileSync, statfsSync } from "node:fs";
import { promisify } from "node:util";
import { describeBuild } from "../plan/build-log.ts";
import type { ImagePlan } from "../plan/image.ts";

const LOOK_MS = 1000;
/** Seconds between two lines of one step. */
const REPORT_S = 4;
const run = promisify(execFile);

/**
 * Reports what the build does while its log grows, a new step at once, until the returned function is called. A log that stays
 * empty is one of an update that builds nothing, and nothing is reported. Keeps no program alive.
 */
export function followBuild({ logFile }: Pick<ImagePlan, "logFile">, report: (line: string) => void): () => void {
  const disk = new DockerDisk();
  let began: number | null = null;
  let [lastStep, lastAt]: [string | undefined, number] = [undefined, 0];
  const timer = setInterval(() => {
    const log = read(logFile);
    if (log === "") return;
    began ??= performance.now();
    const seconds = (performance.now() - began) / 1000;
    const line = describeBuild(log, seconds, disk.written());
    const step = line?.split(" · ").at(-1);
    if (!line || (step === lastStep && seconds - lastAt < REPORT_S)) return;
    [lastStep, lastAt] = [step, seconds];
    report(line);
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** What was written to Docker's disk since the first look, where it is a disk of this machine. */
class DockerDisk {
  #root: string | null = null;
  #freeAtFirst: number | null = null;

  constructor() {
    void run("docker", ["info", "--format", "{{.DockerRootDir}}"], { timeout: 15_000 }).then(
      ({ stdout }) => {
        this.#root = stdout.trim();
      },
      () => {},
    );
  }

  written(): number | null {
    try {
      const { bavail, bsize } = statfsSync(this.#root ?? "");
      this.#freeAtFirst ??= bavail * bsize;
      return this.#freeAtFirst - bavail * bsize;
    } catch {
      return null;
    }
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
