import type * as pulumi from "@pulumi/pulumi";

/** An argument that may be left out, and then has its default. */
export type Argument<T> = pulumi.Input<T> | undefined;
/** Several values: an array, or text with commas between them. */
export type List = readonly string[] | string;
/** Variables by name, or text: `NAME=value,NAME=value`, or JSON. */
export type Variables = Readonly<Record<string, string>> | string;

/** What the image is built from, beside the settings. */
export interface BuildArguments {
  /**
   * Path of a Dockerfile that replaces the package's own. It is built with the same context: `pyproject.toml`,
   * `requirements.lock`, `src`, `models` and `docker` of image-gen. Relative to the program's working directory.
   * @default the package's own
   * @example ./Dockerfile
   */
  readonly dockerfile?: Argument<string>;
  /**
   * Path of a folder that replaces the package's `image-gen` as the build context, with a Dockerfile in it.
   * @default the package's own
   * @example ./image-gen
   */
  readonly buildContext?: Argument<string>;
}
