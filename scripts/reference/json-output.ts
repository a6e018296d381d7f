import type { Declaration, Declarations, Field } from "./interfaces.ts";
import { code, page, table } from "./markdown.ts";
import type { ServiceFacts } from "./service.ts";

/** Where a command's result is declared: `file#Interface`, or the fields themselves, where the command makes them on the spot. */
type Source = string | readonly Field[];

const field = (name: string, type: string, text: string): Field => ({ name, type, text, optional: false });

/** The result of each command, a list where Docker or process and AWS give different ones. */
export const RESULTS: Readonly<Record<string, readonly (readonly [when: string, source: Source])[]>> = {
  up: [
    ["on this machine", "cli/commands/up.ts#UpResult"],
    ["on AWS", "cli/targets/aws/stack/up-command.ts#AwsUpResult"],
  ],
  down: [
    ["on this machine", "cli/commands/down.ts#DownResult"],
    ["on AWS", [field("stack", "string", "The stack that was removed.")]],
  ],
  plan: [
    ["on this machine", "infra/plan/plan.ts#Plan"],
    ["on AWS", "infra/plan/aws/plan.ts#AwsPlan"],
  ],
  status: [
    ["on this machine", "cli/commands/status.ts#StatusResult"],
    ["on AWS", "cli/targets/aws/operations/status.ts#AwsStatus"],
  ],
  open: [
    [
      "",
      [field("url", "string", "The service's address."), field("opened", "boolean", "Whether a browser was opened.")],
    ],
  ],
  picture: [["", "cli/service/images.ts#Picture"]],
  doctor: [
    [
      "",
      [
        field("ok", "boolean", "False when a check failed."),
        field("findings", "Finding[]", "The checks, in the order in which a start needs them."),
      ],
    ],
  ],
  stop: [["", [field("host", "string", "The instance's id."), field("state", '"stopped"', "")]]],
  start: [["", "cli/commands/start.ts#Started"]],
  pin: [["", "cli/targets/aws/operations/pin.ts#Pinned"]],
  "move-az": [["", "cli/targets/aws/operations/move-az.ts#Moved"]],
  "cache clear": [["", "cli/commands/cache/clear.ts#ClearResult"]],
  "cache backup": [
    ["to a file", [field("file", "string", "The file."), field("bytes", "number", "Its size.")]],
    [
      "`--snapshot`",
      [field("snapshot", "string", "The snapshot's id."), field("volume", "string", "The volume's id.")],
    ],
  ],
};

/** Commands that print the JSON of `image-gen` as it is, and the class that makes it. */
export const PASSED_ON: Readonly<Record<string, string>> = {
  "cache status": "CacheStatus",
  "cache verify": "VerifyReport",
  "cache prefetch": "ReadyModel",
  "cache gc": "GcReport",
  "cache restore": "RestoreReport",
};

/** Commands without a result of their own. */
export const NO_JSON: readonly string[] = ["logs"];

export function jsonPage(declarations: Declarations, service: ServiceFacts): string {
  const results = Object.entries(RESULTS).flatMap(([command, sources]) =>
    sources.map(([when, source]) => {
      const heading = `## imagegen ${command}${when ? `, ${when}` : ""}`;
      return `${heading}\n\n${fieldTable(typeof source === "string" ? fieldsOf(declarations, source) : source)}`;
    }),
  );
  const passed = Object.entries(PASSED_ON).map(
    ([command, name]) => `## imagegen ${command}\n\n${jsonTable(service, name)}`,
  );
  const types = declarations.reachedFrom(usedTypes(declarations));
  return page(
    "JSON output",
    "With `--json` a command prints one JSON document on stdout. Fields may be added; a renamed or removed field is in the " +
      "[changelog](../../CHANGELOG.md). Times are in seconds and sizes in bytes, unless the name says otherwise.",
    'A failure prints `{"error": {"message": …, "exitCode": …}}`, but for `status`, `doctor`, `cache verify` and `cache gc`, ' +
      "which print their result and fail by their [exit code](exit-codes.md).",
    "`plan` prints the plan as the program makes it, so its fields follow the code.",
    ...results,
    ...passed,
    "## Types",
    ...types.map((type) => typeSection(declarations, type)),
  );
}

export function fieldsOf(declarations: Declarations, source: string): readonly Field[] {
  const [file = "", name = ""] = source.split("#");
  const found = declarations.find(name, file);
  if (!found || found.file !== file) throw new Error(`${file} declares no interface ${name}: correct json-output.ts`);
  return declarations.fieldsOf(found);
}

function usedTypes(declarations: Declarations): { type: string; file: string }[] {
  return Object.values(RESULTS).flatMap((sources) =>
    sources.flatMap(([, source]) => {
      const file = typeof source === "string" ? (source.split("#")[0] ?? "") : "";
      const fields = typeof source === "string" ? fieldsOf(declarations, source) : source;
      return fields.map(({ type }) => ({ type, file }));
    }),
  );
}

function fieldTable(fields: readonly Field[]): string {
  return table(
    ["field", "type", "meaning"],
    fields.map(({ name, optional, type, text }) => [code(name), `${code(type)}${optional ? ", optional" : ""}`, text]),
  );
}

function typeSection(declarations: Declarations, type: Declaration): string {
  const body = type.alias === undefined ? fieldTable(declarations.fieldsOf(type)) : code(type.alias);
  return [`### ${type.name}`, type.text, body].filter((part) => part !== "").join("\n\n");
}

/** The fields of a result of `image-gen`, and of the objects in it. */
function jsonTable(service: ServiceFacts, name: string): string {
  const found = service.json[name];
  if (!found) throw new Error(`service.json has no class ${name} with as_json: correct json-output.ts`);
  const parts = found.parts.flatMap((part) => [
    `Each ${code(part)} in it:`,
    fieldList(service.json[part]?.fields ?? []),
  ]);
  return [fieldList(found.fields), ...parts].join("\n\n");
}

function fieldList(fields: readonly string[]): string {
  return fields.map(code).join(", ");
}
