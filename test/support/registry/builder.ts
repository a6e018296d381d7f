import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { eventually } from "../wait.ts";
import { Daemon } from "./daemon.ts";
import type { LoopbackRegistry } from "./registry.ts";

/** A BuildKit daemon of the tests' own, under a name that buildx knows, in a buildx of the tests' own. */
export class Builder {
  readonly name: string;
  /** For everything that builds with it: where its name and the registry's log-in are kept. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #directory: string;
  readonly #registry: LoopbackRegistry;
  #daemon: Daemon | undefined;
  #log = "";

  constructor(name: string, directory: string, registry: LoopbackRegistry) {
    this.name = name;
    this.#directory = join(directory, name);
    this.#registry = registry;
    this.environment = { DOCKER_CONFIG: join(directory, "docker"), SSL_CERT_FILE: registry.authority };
  }

  get log(): string {
    return this.#log || (this.#daemon?.log ?? "");
  }

  async start(): Promise<void> {
    const { DOCKER_CONFIG: docker = "" } = this.environment;
    for (const directory of [this.#directory, docker]) mkdirSync(directory, { recursive: true });
    const { address, username, password } = this.#registry;
    const auth = Buffer.from(`${username}:${password}`).toString("base64");
    // buildx may be a plugin of the user's own folder, which docker does not look into beside another config.
    const plugins = join(process.env.DOCKER_CONFIG ?? join(homedir(), ".docker"), "cli-plugins");
    const settings = { auths: { [address]: { auth } }, cliPluginsExtraDirs: [plugins] };
    writeFileSync(join(docker, "config.json"), JSON.stringify(settings));
    const socket = `unix://${join(this.#directory, "socket")}`;
    const config = join(this.#directory, "buildkitd.toml");
    writeFileSync(config, this.#config(socket));
    this.#daemon = new Daemon("buildkitd", ["--config", config], join(this.#directory, "log"));
    await eventually("buildkitd", () => existsSync(join(this.#directory, "socket")), 30);
    await this.buildx("create", "--name", this.name, "--driver", "remote", socket);
    await this.#trustRegistry(config);
  }

  /** `docker buildx …`. */
  async buildx(...args: string[]): Promise<string> {
    return (await execa("docker", ["buildx", ...args], { env: this.environment })).stdout;
  }

  async stop(): Promise<void> {
    await this.#daemon?.stop();
    this.#log ||= this.#daemon?.log ?? "";
    this.#daemon = undefined;
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /**
   * What gives a pushed image its tags speaks to a registry on loopback in the clear, unless the current builder's config
   * says otherwise; that of a remote one can't. So a builder that is never started is the current one.
   */
  async #trustRegistry(config: string): Promise<void> {
    const name = "imagegen-never-started";
    if (existsSync(join(this.environment.DOCKER_CONFIG ?? "", "buildx/instances", name))) return;
    await this.buildx("create", "--name", name, "--driver", "docker-container", "--buildkitd-config", config, "--use");
  }

  /** Steps have the machine's own network: there is nothing to bridge to. */
  #config(socket: string): string {
    return `
root = "${join(this.#directory, "root")}"
[grpc]
  address = ["${socket}"]
[worker.oci]
  enabled = true
  networkMode = "host"
  snapshotter = "overlayfs"
[worker.containerd]
  enabled = false
[registry."${this.#registry.address}"]
  ca = ["${this.#registry.authority}"]
  # Loopback would be spoken to in the clear.
  http = false
  insecure = false
`;
  }
}
