import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { baseImage } from "./base-image.ts";
import { docker } from "./docker.ts";
import { paths } from "./paths.ts";

/** The emulator of SQS and S3 that a stack with workers takes from a registry, made here from its Python package. */
export async function emulatorImage(): Promise<string> {
  const lock = readFileSync(join(paths.imageGen, "pyproject.toml"), "utf8");
  const version = /moto\[server\]==([\d.]+)/.exec(lock)?.[1];
  const { reference } = await baseImage();
  if (version === undefined || reference === undefined) throw new Error("no emulator can be made");
  const tag = `imagegen-test-emulator:${version}`;
  if ((await docker("images", "-q", tag)) !== "") return tag;
  const dockerfile = `FROM ${reference}
RUN python3 -m venv /moto && /moto/bin/pip install --no-cache-dir "moto[server]==${version}"
USER 10001:10001
CMD ["/moto/bin/moto_server", "-H", "0.0.0.0", "-p", "5000"]
`;
  await execa("docker", ["build", "--network", "host", "-t", tag, "-"], { input: dockerfile, stdout: "ignore" });
  return tag;
}
