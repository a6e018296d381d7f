import { inject } from "vitest";
import { docker, dockerIfPossible } from "../support/docker.ts";
import { eventually } from "../support/wait.ts";

export interface Options {
  env?: Record<string, string>;
  /** What is mounted at /data: a volume's name, with `:ro` behind it if it is to be read-only. */
  volume?: string;
  /** Files of this machine, by where they are in the container: read-only. */
  files?: Readonly<Record<string, string>>;
  network?: string;
  image?: string;
}

/** One container as the package runs it, under a name of its own, on a port that Docker picks. */
export async function start(name: string, options: Options = {}): Promise<{ url: string; stop(): Promise<void> }> {
  await dockerIfPossible("rm", "-f", name);
  const env = Object.entries({ IMAGE_GEN_MANIFESTS: "/nonexistent", ...options.env }).flatMap(([key, value]) => [
    "-e",
    `${key}=${value}`,
  ]);
  await docker(
    ...[
      "run",
      "-d",
      "--name",
      name,
      "--read-only",
      "--tmpfs",
      "/tmp",
      "--cap-drop",
      "ALL",
      "--security-opt",
      "no-new-privileges",
    ],
    ...["--network", options.network ?? "bridge"],
    ...(options.network === "none" ? [] : ["-p", "127.0.0.1::8000"]),
    ...(options.volume
      ? ["-v", `${options.volume.replace(/:ro$/, "")}:/data${options.volume.endsWith(":ro") ? ":ro" : ""}`]
      : []),
    ...Object.entries(options.files ?? {}).flatMap(([inside, file]) => ["-v", `${file}:${inside}:ro`]),
    ...env,
    options.image ?? inject("image"),
  );
  const stop = async () => dockerIfPossible("rm", "-f", name);
  if (options.network === "none") return { url: "", stop };
  let port = "";
  await eventually(
    `${name}'s port`,
    async () => {
      port = (await docker("port", name, "8000/tcp")).trim().split(":").at(-1) ?? "";
      return port !== "";
    },
    10,
  );
  return { url: `http://127.0.0.1:${port}`, stop };
}

/** Python inside the image, on a volume, without a network. */
export async function pythonOn(volume: string, code: string): Promise<string> {
  return docker(
    "run",
    "--rm",
    "--network",
    "none",
    "-v",
    `${volume}:/data`,
    "--entrypoint",
    "python",
    inject("image"),
    "-c",
    code,
  );
}
