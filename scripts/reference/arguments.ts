import type { Key } from "../../infra/config/key.ts";
import { TARGET_KEYS } from "../../infra/config/schema.ts";
import { type Descriptions, descriptionOf, NO_VALUE } from "./config.ts";

const LIBRARY = "infra/library";

type Keys = readonly (readonly [string, Key<unknown>])[];

/** The keys that a component takes, but for the one that the component itself stands for. */
export function keysOfComponent(target: keyof typeof TARGET_KEYS): Keys {
  return Object.entries(TARGET_KEYS[target]).filter(([name]) => name !== "target");
}

/** The arguments of the package's components, as TypeScript: from the keys and from what Pulumi.yaml says of them. */
export function argumentFiles(descriptions: Descriptions): Record<string, string> {
  const [local, aws, fleet] = [keysOfComponent("local"), keysOfComponent("aws"), keysOfComponent("fleet")];
  const has = (keys: Keys, name: string) => keys.some(([each]) => each === name);
  const isCommon = (name: string) => has(local, name) && has(aws, name) && name !== "onDestroy";
  const file = (title: string, name: string, keys: Keys) => interfaceOf(title, name, keys, descriptions);
  return {
    [`${LIBRARY}/service-arguments.ts`]: file(
      "What the components are given: the service itself.",
      "ServiceArguments",
      local.filter(([name]) => isCommon(name)),
    ),
    [`${LIBRARY}/docker-arguments.ts`]: file(
      "What `LocalImageGen` is given besides.",
      "DockerArguments",
      local.filter(([name]) => !isCommon(name)),
    ),
    [`${LIBRARY}/aws-arguments.ts`]: file(
      "What `AwsImageGen` is given besides.",
      "AwsArguments",
      aws.filter(([name]) => !isCommon(name)),
    ),
    [`${LIBRARY}/fleet-arguments.ts`]: file(
      "What `AwsImageGenFleet` is given besides.",
      "FleetArguments",
      fleet.filter(([name]) => !isCommon(name)),
    ),
  };
}

function interfaceOf(title: string, name: string, keys: Keys, descriptions: Descriptions): string {
  const fields = keys.map(([key, spec]) => field(key, spec, descriptionOf(descriptions[key]?.description)));
  const names = ["Argument", "List", "Variables"].filter((each) => fields.some((text) => text.includes(each)));
  const head = `// Written by \`npm run docs\`, from the keys and from what Pulumi.yaml says of them.\nimport type { ${names.join(", ")} } from "./argument.ts";\n`;
  return `${head}\n/** ${title} */\nexport interface ${name} {\n${fields.join("")}}\n`;
}

function field(key: string, spec: Key<unknown>, description: string): string {
  const { default: unset, example } = spec;
  const lines = [description, `@default ${unset === "" ? "none" : unset}`];
  if (example !== unset && example !== "--secret") lines.push(`@example ${example}`);
  const comment = lines.map((line) => `   * ${line}\n`).join("");
  return `  /**\n${comment}   */\n  readonly ${key}?: Argument<${typeOf(spec)}>;\n`;
}

function typeOf(spec: Key<unknown>): string {
  if (spec.type !== "string") return { integer: "number", boolean: "boolean" }[spec.type];
  const example = spec.parse(spec.example);
  const value = "value" in example ? example.value : null;
  if (Array.isArray(value)) return "List";
  if (typeof value === "object" && value !== null) return "Variables";
  const words = choicesOf(spec);
  return words.length > 0 ? words.map((word) => `"${word}"`).join(" | ") : "string";
}

/** The words that a key takes, where it takes no others. */
export function choicesOf(spec: Key<unknown>): readonly string[] {
  const refused = spec.parse(NO_VALUE);
  if ("value" in refused) return [];
  const words = refused.expected.replace(/, or nothing$/, "").split(/, | or /);
  const isWord = (word: string) => {
    const parsed = spec.parse(word);
    return "value" in parsed && parsed.value === word;
  };
  return words.every(isWord) ? words : [];
}
