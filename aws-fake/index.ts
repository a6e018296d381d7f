/**
 * A fake of AWS behind the real Pulumi provider protocol. In: an engine that `PULUMI_DEBUG_PROVIDERS` names
 * instead of the `aws` plugin, and SDK calls over loopback HTTP. Out: a model of AWS that refuses what AWS refuses, an
 * ordered record of all calls, and the rules that were broken. Must not be kinder than AWS: what it does not know, it refuses.
 */
import { AwsApi } from "./api.ts";
import { Cloud, type Knobs } from "./cloud.ts";
import { DockerBuildFake } from "./docker-build.ts";
import { HostPlayer } from "./host-player.ts";
import { INSTANCE, loseInstance } from "./kinds/instance.ts";
import { GROUP, protectHost, scale } from "./kinds/scaling.ts";
import { snapshot, VOLUME } from "./kinds/volume.ts";
import { ProviderServer } from "./protocol.ts";
import { AwsProvider } from "./provider.ts";

interface Parts {
  readonly cloud: Cloud;
  readonly hosts: HostPlayer;
  readonly docker: DockerBuildFake;
}

export class AwsProviderFake {
  readonly cloud: Cloud;
  readonly hosts: HostPlayer;
  readonly #docker: DockerBuildFake;
  readonly #servers: readonly ProviderServer[];
  readonly #api: AwsApi;
  readonly environment: Readonly<Record<string, string>>;

  private constructor(parts: Parts, servers: readonly ProviderServer[], api: AwsApi, ports: string) {
    this.cloud = parts.cloud;
    this.hosts = parts.hosts;
    this.#docker = parts.docker;
    this.#servers = servers;
    this.#api = api;
    this.environment = {
      PULUMI_DEBUG_PROVIDERS: ports,
      // The plugins stand elsewhere, or nowhere: nothing is fetched.
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      AWS_ENDPOINT_URL: api.url,
      AWS_ACCESS_KEY_ID: "of-the-fake",
      AWS_SECRET_ACCESS_KEY: "of-the-fake",
      AWS_EC2_METADATA_DISABLED: "true",
    };
  }

  /** Starts all that stands in for AWS, and for the image's build and push, on ports of its own. */
  static async start(knobs: Partial<Knobs> = {}, region?: string): Promise<AwsProviderFake> {
    const cloud = new Cloud(knobs, region);
    const hosts = new HostPlayer(cloud);
    const aws = await ProviderServer.start(new AwsProvider(cloud));
    const docker = new DockerBuildFake(cloud);
    const build = await ProviderServer.start(docker);
    const api = await AwsApi.start(cloud, hosts);
    return new AwsProviderFake(
      { cloud, hosts, docker },
      [aws, build],
      api,
      `aws:${aws.port},docker-build:${build.port}`,
    );
  }

  /** The folder of the program that will ask. */
  serve(directory: string): void {
    this.#docker.directory = directory;
  }

  /** A snapshot of a volume, as `imagegen move-az` takes one; its id. */
  snapshotOf(volumeId: string): string {
    return snapshot(this.cloud, this.cloud.get(VOLUME, volumeId), "by hand").id;
  }

  /** A host is gone, as hardware goes: nothing was stopped. Its group, if it has one, makes another. */
  lose(instanceId: string): void {
    loseInstance(this.cloud, this.cloud.get(INSTANCE, instanceId));
    for (const group of this.cloud.all(GROUP)) scale(this.cloud, group);
  }

  /** A scaling policy sets how many hosts a group wants, which the program does not say. */
  want(groupName: string, hosts: number): void {
    const group = this.cloud.get(GROUP, groupName);
    group.props = { ...group.props, desiredCapacity: hosts };
    scale(this.cloud, group);
  }

  /** The worker of a host protects it from scale-in while it has jobs. */
  protect(hostId: string, isOn = true): void {
    protectHost(this.cloud, hostId, isOn);
  }

  async stop(): Promise<void> {
    this.hosts.stop();
    await Promise.all([...this.#servers.map((server) => server.stop()), this.#api.stop()]);
  }
}
