import { execa } from "execa";

/** What takes Docker's disk, as `docker system df -v` tells it. */
export interface DockerUsage {
  readonly buildCache: readonly { readonly type: string; readonly description: string; readonly bytes: number }[];
  readonly volumes: readonly { readonly name: string; readonly bytes: number }[];
  readonly images: readonly { readonly name: string; readonly bytes: number }[];
}

/** Undefined where Docker does not tell within the time. */
export async function dockerUsage(): Promise<DockerUsage | undefined> {
  const options = { reject: false, timeout: 30_000, maxBuffer: 64 * 2 ** 20 } as const;
  const { exitCode, stdout } = await execa("docker", ["system", "df", "-v", "--format", "{{json .}}"], options);
  return exitCode === 0 ? readUsage(stdout) : undefined;
}

/** Reads the command's JSON; undefined when it is none. */
export function readUsage(text: string): DockerUsage | undefined {
  try {
    const { BuildCache, Volumes, Images } = JSON.parse(text) as Record<string, Record<string, string>[] | null>;
    return {
      buildCache: (BuildCache ?? []).map(({ CacheType = "", Description = "", Size }) => ({
        type: CacheType,
        description: Description,
        bytes: readSize(Size),
      })),
      volumes: (Volumes ?? []).map(({ Name = "", Size }) => ({ name: Name, bytes: readSize(Size) })),
      images: (Images ?? []).map(({ Repository = "", Tag = "", Size }) => ({
        name: `${Repository}:${Tag}`,
        bytes: readSize(Size),
      })),
    };
  } catch {
    return undefined;
  }
}

const UNITS: Readonly<Record<string, number>> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };

/** "4.98GB" → 4_980_000_000; what is no size is 0. */
function readSize(text = ""): number {
  const [, amount, unit = ""] = /^([\d.]+)(B|kB|MB|GB|TB)$/.exec(text) ?? [];
  return amount ? Number(amount) * (UNITS[unit] ?? 0) : 0;
}

/** What of the image's build the cache has: the packages' downloads, and the packages as installed; bytes. */
export function cachedBuild({ buildCache }: Pick<DockerUsage, "buildCache">): { downloads: number; packages: number } {
  const largest = (found: (record: DockerUsage["buildCache"][number]) => boolean) =>
    buildCache.filter(found).reduce((most, { bytes }) => Math.max(most, bytes), 0);
  return {
    downloads: largest(
      ({ type, description }) => type === "exec.cachemount" && description.includes("/root/.cache/uv"),
    ),
    packages: largest(({ type, description }) => type === "regular" && description.includes("/build/install-packages")),
  };
}
