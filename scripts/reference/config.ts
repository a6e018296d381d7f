import type { Key } from "../../infra/config/key.ts";
import { ALL_KEYS, RENAMED_KEYS, TARGET_KEYS } from "../../infra/config/schema.ts";
import { code, page, table } from "./markdown.ts";

/** What Pulumi.yaml says of a key: the one place that describes it. */
export type Descriptions = Readonly<Record<string, { readonly description?: string }>>;

/** A value that no parser takes, so that each says what it expects. */
export const NO_VALUE = "\u0000";

/** Without the target that it names first, where that is said already. */
export const descriptionOf = (text = "") =>
  text.replace(/^(?:AWS|Fleet|CI): (.)/, (_, first: string) => first.toUpperCase());

export function configPage(project: string, descriptions: Descriptions): string {
  const groups = [
    { title: "Keys of every service", keys: keysOf((name) => reads("local", name) && reads("aws", name)) },
    { title: "Keys of the target `local`", keys: keysOf((name) => reads("local", name) && !reads("aws", name)) },
    { title: "Keys of the target `aws`", keys: keysOf((name) => !reads("local", name) && reads("aws", name)) },
    { title: "Keys of the target `fleet`", keys: keysOf((name) => reads("fleet", name) && !reads("aws", name)) },
    { title: "Keys of the target `ci`", keys: keysOf((name) => !reads("local", name) && reads("ci", name)) },
  ];
  return page(
    "Stack configuration",
    `A stack's configuration is in \`stacks/Pulumi.<stack>.yaml\`, in the namespace \`${project}\`. Set a key with one of:`,
    "```sh\nimagegen up --stack <stack> --config <key>=<value>\npulumi config set <key> <value> --stack <stack>\n```",
    "Every key has a default. All mistakes are reported together, one line each, with a command that fixes them. A key " +
      "that the stack's target does not read is an error.",
    ...groups.flatMap(({ title, keys }) => [
      `## ${title}`,
      ...(title.includes("fleet") ? [alsoOfFleets()] : []),
      keyTable(keys, descriptions),
    ]),
    "## Keys of other namespaces",
    table(
      ["key", "default", "values", "meaning"],
      [
        [
          code("aws:region"),
          "none",
          "an AWS region, such as `us-east-1`",
          "The region of a stack with `target: aws`, `fleet` or `ci`. Required there.",
        ],
      ],
    ),
    "## Renamed keys",
    "The old name is refused, with the command that sets the new one. `imagegen` translates what it remembered of earlier flags.",
    table(
      ["old", "now"],
      Object.entries(RENAMED_KEYS).map(([old, now]) => [code(old), code(now)]),
    ),
  );
}

/** A fleet's own keys are few: its hosts are those of the target `aws`. */
function alsoOfFleets(): string {
  const names = (wanted: (name: string) => boolean) =>
    keysOf(wanted)
      .map(([name]) => code(name))
      .join(", ");
  const shared = names((name) => reads("fleet", name) && reads("aws", name) && !reads("local", name));
  const left = names((name) => reads("local", name) && reads("aws", name) && !reads("fleet", name));
  return `A fleet reads the keys of every service but ${left}; of the target \`aws\` it reads ${shared}.`;
}

function reads(target: keyof typeof TARGET_KEYS, name: string): boolean {
  return Object.hasOwn(TARGET_KEYS[target], name);
}

function keysOf(wanted: (name: string) => boolean): [string, Key<unknown>][] {
  return Object.entries(ALL_KEYS).filter(([name]) => wanted(name));
}

function keyTable(keys: readonly [string, Key<unknown>][], descriptions: Descriptions): string {
  const rows = keys.map(([name, key]) => [
    code(name),
    key.default === "" ? "empty" : code(key.default),
    `${valuesOf(key)}${key.secret ? "; a Pulumi secret" : ""}`,
    descriptionOf(descriptions[name]?.description),
  ]);
  return table(["key", "default", "values", "meaning"], rows);
}

/** What the key's own parser says that it expects. */
function valuesOf(key: Key<unknown>): string {
  const parsed = key.parse(NO_VALUE);
  return "value" in parsed ? key.type : parsed.expected.replace(/, or nothing$/, "");
}
