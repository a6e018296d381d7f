/**
 * A double of AWS behind the real Pulumi provider protocol. In: an engine that is told by `PULUMI_DEBUG_PROVIDERS` to ask
 * it instead of the `aws` plugin, and SDK calls over loopback HTTP. Out: a model of AWS that refuses what AWS refuses, an
 * ordered record of all calls, and the rules that were broken. Must not be kinder than AWS: what it does not know, it refuses.
 */
import { AwsApi } from "./api.ts";
import { Cloud, type Knobs } from "./cloud.ts";
import { DockerBuildDouble } from "./docker-build.ts";
import { HostPlayer } from "./host-player.ts";
import { ProviderServer } from "./protocol.ts";
import { AwsProvider } from "./provider.ts";

export class AwsDouble {
  readonly cloud: Cloud;
  readonly hosts: HostPlayer;
  readonly #servers: readonly ProviderServer[];
  readonly #api: AwsApi;
  readonly environment: Readonly<Record<string, string>>;

  private constructor(cloud: Cloud, hosts: HostPlayer, servers: readonly ProviderServer[], api: AwsApi, ports: string) {
    this.cloud = cloud;
    this.hosts = hosts;
    this.#servers = servers;
    this.#api = api;
    this.environment = {
      PULUMI_DEBUG_PROVIDERS: ports,
      // The plugins stand elsewhere, or nowhere: nothing is fetched.
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      AWS_ENDPOINT_URL: api.url,
      AWS_ACCESS_KEY_ID: "of-the-double",
      AWS_SECRET_ACCESS_KEY: "of-the-double",
      AWS_EC2_METADATA_DISABLED: "true",
    };
  }

  /** Starts all that stands in for AWS, and for the image's build and push, on ports of its own. */
  static async start(knobs: Partial<Knobs> = {}): Promise<AwsDouble> {
    const cloud = new Cloud(knobs);
    const hosts = new HostPlayer(cloud);
    const aws = await ProviderServer.start(new AwsProvider(cloud));
    const build = await ProviderServer.start(new DockerBuildDouble(cloud));
    const api = await AwsApi.start(cloud);
    return new AwsDouble(cloud, hosts, [aws, build], api, `aws:${aws.port},docker-build:${build.port}`);
  }

  async stop(): Promise<void> {
    this.hosts.stop();
    await Promise.all([...this.#servers.map((server) => server.stop()), this.#api.stop()]);
  }
}
