import { execa } from "execa";
import { baseImage } from "../base-image.ts";

/** Programs of the registry suite, how each is asked whether it is there, and where it comes from. */
const PROGRAMS: readonly (readonly [string, readonly string[], string])[] = [
  ["pulumi", ["version"], "https://www.pulumi.com/docs/install/"],
  ["pulumi-resource-docker-build", ["-h"], "pulumi plugin install resource docker-build 0.0.22"],
  ["docker-registry", ["--version"], "apt-get install docker-registry"],
  ["buildkitd", ["--version"], "https://github.com/moby/buildkit/releases"],
  ["docker", ["buildx", "version"], "https://github.com/docker/buildx/releases"],
  ["openssl", ["version"], "apt-get install openssl"],
  ["docker", ["info"], "a running Docker engine"],
];

/** Why the suite can't run on this machine, or undefined. */
export async function missingForRegistry(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return "buildkitd needs root.";
  for (const [program, args, source] of PROGRAMS) {
    const { exitCode, failed, code } = await execa(program, [...args], { reject: false, timeout: 20_000 });
    // The plugin has no flag that ends well; that it starts is enough.
    const there = program.startsWith("pulumi-resource") ? code !== "ENOENT" : exitCode === 0 && !failed;
    if (!there) return `\`${[program, ...args].join(" ")}\` does not answer. It comes from: ${source}.`;
  }
  const base = await baseImage();
  return base.reference ? undefined : base.reason;
}
