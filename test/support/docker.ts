import { execa } from "execa";

/** Runs `docker …` and returns its output; throws with the command's own last words when it fails. */
export async function docker(...args: string[]): Promise<string> {
  const result = await execa("docker", args, { reject: false, all: true });
  if (result.exitCode !== 0)
    throw new Error(`docker ${args.join(" ")}: ${(result.all ?? "").split("\n").slice(-15).join("\n")}`);
  return result.stdout;
}

/** The same, for what may already be gone. */
export async function dockerIfPossible(...args: string[]): Promise<void> {
  await execa("docker", args, { reject: false, stdio: "ignore" });
}

/** Removes the images of one repository, by every tag. */
export async function removeImages(repository: string): Promise<void> {
  const tags = await docker("images", "--format", "{{.Repository}}:{{.Tag}}", repository);
  for (const tag of tags.split("\n").filter((each) => each !== "")) await dockerIfPossible("rmi", tag);
}

/** The address of this machine that every container reaches: the default route of one on Docker's own bridge. */
export async function bridgeGateway(image: string): Promise<string> {
  const routes = await docker("run", "--rm", "--entrypoint", "cat", image, "/proc/net/route");
  const gateway = /^\S+\s+00000000\s+([0-9A-F]{8})\s/m.exec(routes)?.[1];
  if (!gateway) throw new Error("a container on Docker's bridge has no default route");
  return [...Buffer.from(gateway, "hex").reverse()].join(".");
}
