import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { AwsImageGen } from "./aws-image-gen.ts";
import { AwsImageGenFleet } from "./aws-image-gen-fleet.ts";
import { LocalImageGen } from "./local-image-gen.ts";
import { AWS_OUTPUTS, FLEET_OUTPUTS, LOCAL_OUTPUTS } from "./outputs.ts";

type Component = pulumi.ComponentResource & Readonly<Record<string, unknown>>;

/** Makes the component of a type, with arguments that the schema has checked. */
function create(type: string, name: string, inputs: pulumi.Inputs, options: pulumi.ComponentResourceOptions) {
  switch (type) {
    case "imagegen:index:LocalImageGen":
      return { component: new LocalImageGen(name, inputs, options), outputs: LOCAL_OUTPUTS };
    case "imagegen:index:AwsImageGen":
      return { component: new AwsImageGen(name, inputs, options), outputs: AWS_OUTPUTS };
    case "imagegen:index:AwsImageGenFleet":
      return { component: new AwsImageGenFleet(name, inputs, options), outputs: FLEET_OUTPUTS };
    default:
      throw new pulumi.RunError(
        `${type} is no component of imagegen. Fix: imagegen:LocalImageGen, imagegen:AwsImageGen or imagegen:AwsImageGenFleet`,
      );
  }
}

/**
 * Serves the components to programs in other languages. `schemaFile`: what the components' arguments and outputs are, as
 * `npm run docs` writes it.
 */
export function servePlugin(schemaFile: URL, args: string[]): Promise<void> {
  const schema = readFileSync(schemaFile, "utf8");
  const { version } = JSON.parse(schema) as { version: string };
  const provider: pulumi.provider.Provider = {
    version,
    schema,
    async construct(name, type, inputs, options) {
      const { component, outputs } = create(type, name, inputs, options);
      const fields = component as unknown as Component;
      return { urn: component.urn, state: Object.fromEntries(outputs.map((output) => [output, fields[output]])) };
    },
  };
  return pulumi.provider.main(provider, args);
}
