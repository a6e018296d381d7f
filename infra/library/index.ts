/**
 * The package's public surface. In: arguments, whose names and values are the config keys. Out: three components, each the
 * whole service of one target. Never reads a stack's config, but for AWS's region and profile.
 * What is exported here changes by semantic versioning: see docs/guides/library.md.
 */
export type { Argument, BuildArguments, List, Variables } from "./argument.ts";
export type { AwsArguments } from "./aws-arguments.ts";
export type { AwsPlaceArguments } from "./aws-component.ts";
export { AwsImageGen, type AwsImageGenArgs } from "./aws-image-gen.ts";
export { AwsImageGenFleet, type AwsImageGenFleetArgs } from "./aws-image-gen-fleet.ts";
export type { DockerArguments } from "./docker-arguments.ts";
export type { FleetArguments } from "./fleet-arguments.ts";
export { LocalImageGen, type LocalImageGenArgs } from "./local-image-gen.ts";
export type { ServiceArguments } from "./service-arguments.ts";
