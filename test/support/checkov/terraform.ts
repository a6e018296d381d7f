/**
 * Resources of the program as Terraform would plan them: what scanners of Terraform read. In: registered resources, whose ids and ARNs
 * name them (`idOf`, `outputsOf`). Out: the JSON of `terraform show -json`. Types and properties are named by rule, with a table for the
 * few that the provider's bridge names otherwise.
 */
import type { Registered } from "../program.ts";

interface Named {
  readonly type: string;
  readonly name: string;
}

const ACCOUNT = "123456789012";
/** Modules whose types have no prefix of their own in Terraform. */
const BARE = new Set(["ec2"]);
const TYPES: Readonly<Record<string, string>> = {
  "aws:ec2/tag:Tag": "aws_ec2_tag",
  "aws:lb/loadBalancer:LoadBalancer": "aws_lb",
};
/** Blocks whose names Pulumi puts in the plural, and others that it spells differently. */
const PROPERTIES: Readonly<Record<string, string>> = {
  defaultActions: "default_action",
  encryptionConfigurations: "encryption_configuration",
  imageTagMutabilityExclusionFilters: "image_tag_mutability_exclusion_filter",
  overrides: "override",
  rules: "rule",
  metricQueries: "metric_query",
  schedules: "schedule",
  stepAdjustments: "step_adjustment",
  vpcZoneIdentifiers: "vpc_zone_identifier",
};
/** Objects that are maps of the user's own names, and no blocks. */
const MAPS = new Set(["tags", "dimensions", "targetTags"]);

const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function typeOf(token: string): string {
  const [, module = "", name = ""] = /^aws:(\w+)\/(\w+):/.exec(token) ?? [];
  return TYPES[token] ?? `aws_${BARE.has(module) ? "" : `${snake(module)}_`}${snake(name)}`;
}

const addressOf = ({ type, name }: Named) => `${typeOf(type)}.${name.replace(/[^\w-]/g, "_")}`;

/** An id that says whose it is. */
export const idOf = (resource: Named) => `ref/${addressOf(resource)}/id`;

/** What AWS would say of each resource: names of its own, and for all else what is found in `more`. */
export const outputsOf = (resource: Named, more: Readonly<Record<string, unknown>> = {}) => ({
  ...more,
  arn: `arn:aws:${typeOf(resource.type)}:us-east-1:${ACCOUNT}:ref/${addressOf(resource)}/arn`,
});

/** The document, of the managed resources of AWS. */
export function terraformPlan(resources: readonly Registered[]): object {
  const own = resources.filter(({ type }) => type.startsWith("aws:")).map(planned);
  const managed = own.map(({ address, type, name }) => ({
    address,
    mode: "managed",
    type,
    name,
    provider_name: "registry.terraform.io/hashicorp/aws",
  }));
  return {
    format_version: "1.2",
    terraform_version: "1.9.8",
    planned_values: { root_module: { resources: managed.map((one, at) => ({ ...one, values: own[at]?.values })) } },
    resource_changes: managed.map((one, at) => ({
      ...one,
      change: { actions: ["create"], before: null, after: own[at]?.values, after_unknown: {} },
    })),
    configuration: {
      provider_config: { aws: { name: "aws", full_name: "registry.terraform.io/hashicorp/aws" } },
      root_module: {
        resources: managed.map((one, at) => ({
          ...one,
          provider_config_key: "aws",
          expressions: expressionsOf(own[at]?.values ?? {}),
        })),
      },
    },
  };
}

function planned({ type, name, inputs }: Registered) {
  const address = addressOf({ type, name });
  const [kind = "", label = ""] = address.split(".");
  return { address, type: kind, name: label, values: block(inputs) };
}

function block(inputs: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(inputs).map(([key, value]) => {
      const plain = shown(value);
      const named = key === "tags" && Array.isArray(plain) ? "tag" : (PROPERTIES[key] ?? snake(key));
      return [named, MAPS.has(key) && !Array.isArray(plain) ? plain : planValue(plain)];
    }),
  );
}

function planValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((one) => (isObject(one) ? block(one) : one));
  return isObject(value) ? [block(value)] : value;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What a secret hides: it is a scan of tests. */
const shown = (value: unknown) => (isObject(value) && "secret" in value ? value.secret : value);

/** The references of each property: Terraform's own graph, which connects a bucket with its policy. */
function expressionsOf(values: Readonly<Record<string, unknown>>): Record<string, object> {
  const found = Object.entries(values).map(([key, value]) => {
    const references = [...JSON.stringify(value ?? null).matchAll(/ref\/([\w.-]+)\/(id|arn)/g)];
    return [key, references.flatMap(([, address, what]) => [`${address}.${what}`, address])] as const;
  });
  return Object.fromEntries(
    found.filter(([, references]) => references.length > 0).map(([key, references]) => [key, { references }]),
  );
}
