import { ALWAYS_SECRET } from "../../infra/library/component.ts";
import { AWS_OUTPUTS, FLEET_OUTPUTS, LOCAL_OUTPUTS } from "../../infra/library/outputs.ts";
import { choicesOf, keysOfComponent } from "./arguments.ts";
import { type Descriptions, descriptionOf } from "./config.ts";

export const PLUGIN_SCHEMA = "plugin/schema.json";

type Target = "local" | "aws" | "fleet";

const FLEET_DESCRIPTION = "The service on many GPU hosts in AWS, from none, that take jobs from a queue.";

const BUILD = {
  dockerfile: { type: "string", description: "Path of a Dockerfile that replaces the package's own." },
  buildContext: { type: "string", description: "Path of a folder that replaces the package's image-gen." },
};
const AWS = {
  region: { type: "string", description: "Region of all resources. Default: the stack's aws:region." },
  tags: {
    type: "object",
    additionalProperties: { type: "string" },
    description: "Tags of all resources that have tags.",
  },
};
/** Outputs that may be null: of a self-healing host, and of a fleet without a gateway or on-demand hosts. */
const OPTIONAL_OUTPUTS: Readonly<Record<Target, readonly string[]>> = {
  local: [],
  aws: ["instanceId"],
  fleet: ["url", "rescueGroup", "gatewayCluster", "gatewayService"],
};

/** The components' schema, from which `pulumi package add` makes an SDK in another language. */
export function pluginSchema(version: string, descriptions: Descriptions): string {
  const resource = (target: Target, description: string, outputs: readonly string[], more: object) => ({
    isComponent: true,
    description,
    inputProperties: { ...inputsOf(target, descriptions), ...BUILD, ...more },
    properties: Object.fromEntries(outputs.map((name) => [name, { type: "string" }])),
    required: outputs.filter((name) => !OPTIONAL_OUTPUTS[target].includes(name)),
  });
  const schema = {
    name: "imagegen",
    version,
    description: "image-gen, a service that makes pictures with SDXL, on this machine's Docker or on AWS.",
    license: "MIT",
    meta: { moduleFormat: "(.*)" },
    language: {
      nodejs: { respectSchemaVersion: true },
      python: { respectSchemaVersion: true, pyproject: { enabled: true } },
      go: { respectSchemaVersion: true, generateResourceContainerTypes: true },
    },
    resources: {
      "imagegen:index:LocalImageGen": resource("local", "The service on this machine's Docker.", LOCAL_OUTPUTS, {}),
      "imagegen:index:AwsImageGen": resource("aws", "The service on a GPU host in AWS.", AWS_OUTPUTS, AWS),
      "imagegen:index:AwsImageGenFleet": resource("fleet", FLEET_DESCRIPTION, FLEET_OUTPUTS, AWS),
    },
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** No default is in the schema: an SDK would send it, and the keys have their own. */
function inputsOf(target: Target, descriptions: Descriptions) {
  const inputs = keysOfComponent(target).map(([key, spec]) => {
    const unset = spec.default === "" ? "" : ` Default: \`${spec.default}\`.`;
    const choices = choicesOf(spec).length > 0 ? ` One of ${choicesOf(spec).join(", ")}.` : "";
    const description = `${descriptionOf(descriptions[key]?.description)}${choices}${unset}`;
    return [key, { type: spec.type, description, ...(ALWAYS_SECRET.includes(key) ? { secret: true } : {}) }];
  });
  return Object.fromEntries(inputs) as Record<string, object>;
}
