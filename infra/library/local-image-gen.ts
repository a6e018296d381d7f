import * as pulumi from "@pulumi/pulumi";
import type { LocalOutputs } from "../docker/outputs.ts";
import { local } from "../docker/program.ts";
import type { BuildArguments } from "./argument.ts";
import { contextOf, readArguments, whenKnown } from "./component.ts";
import type { DockerArguments } from "./docker-arguments.ts";
import { LOCAL_OUTPUTS } from "./outputs.ts";
import type { ServiceArguments } from "./service-arguments.ts";

/** Arguments of `LocalImageGen`. All have a default. */
export interface LocalImageGenArgs extends ServiceArguments, DockerArguments, BuildArguments {}

/**
 * The service on this machine's Docker: an image, a volume for the model, and a container. An update ends when the service
 * makes pictures, or fails with the reason.
 *
 * A second one in a program needs its own `containerName`, `volumeName` and `port`. Options go to all of its resources:
 * `transforms`, `providers` (of Docker), `protect`, `dependsOn`.
 *
 * @example
 * const images = new LocalImageGen("images", { modelId: "stabilityai/sdxl-turbo", port: 8001 });
 * export const url = images.url;
 */
export class LocalImageGen extends pulumi.ComponentResource {
  /** Where the service is. */
  declare readonly url: pulumi.Output<string>;
  /** Answers 200 once the service is ready. */
  declare readonly readyUrl: pulumi.Output<string>;
  /** Always `local`. */
  declare readonly target: pulumi.Output<"local">;
  /** The model that is served. */
  declare readonly modelId: pulumi.Output<string>;
  /** Where the service reads its model. */
  declare readonly modelCache: pulumi.Output<"volume" | "baked">;
  declare readonly containerName: pulumi.Output<string>;
  /** The device that the service uses. */
  declare readonly device: pulumi.Output<"cuda" | "cpu">;
  /** With the tag of its content. */
  declare readonly imageName: pulumi.Output<string>;
  /** Docker's id of the image that runs. */
  declare readonly imageId: pulumi.Output<string>;
  /** The Docker volume with the model. */
  declare readonly volumeName: pulumi.Output<string>;

  constructor(name: string, args: LocalImageGenArgs = {}, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:index:LocalImageGen", name, {}, opts);
    const { outputs } = whenKnown<LocalOutputs>(
      this,
      { ...args },
      LOCAL_OUTPUTS,
      ({ dockerfile, buildContext, ...given }) => {
        const read = readArguments(name, "local", given);
        return local(read.settings, contextOf(this, name, read, { dockerfile, buildContext }));
      },
    );
    Object.assign(this, outputs);
    this.registerOutputs({ ...outputs });
  }
}
