import * as pulumi from "@pulumi/pulumi";
import { stackTags } from "../contract.ts";
import type { Argument } from "./argument.ts";
import { stackOf } from "./component.ts";
import { addTags } from "./tags.ts";

/** What the components on AWS are given besides. */
export interface AwsPlaceArguments {
  /**
   * Region of all resources. With a provider in the options, it must be that provider's.
   * @default the stack's `aws:region`
   * @example us-east-1
   */
  readonly region?: Argument<string>;
  /**
   * Tags of all resources that have tags, beside the component's own.
   * @default none
   * @example { team: "pictures" }
   */
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/**
 * A component's options, with its tags. A provider of the program's has none of the component's, and the host may do to its own resources
 * alone what it has to.
 */
export function withTags(
  name: string,
  tags: AwsPlaceArguments["tags"],
  opts: pulumi.ComponentResourceOptions,
): pulumi.ComponentResourceOptions {
  const own = stackTags(stackOf(name));
  return { ...opts, transforms: [...(opts.transforms ?? []), addTags({ ...tags, ...own })] };
}

/** The argument, or the stack's `aws:region`. */
export const regionOf = (region: unknown): string | undefined =>
  typeof region === "string" ? region : new pulumi.Config("aws").get("region");
