import type { Declaration, Declarations, Field } from "./interfaces.ts";
import { code, page, table } from "./markdown.ts";
import type { ServiceFacts } from "./service.ts";

/** The result of each command, as `file#Interface`; a list where it has more than one form, each with when. */
export const RESULTS: Readonly<Record<string, readonly (readonly [when: string, source: string])[]>> = {
  up: [["", "cli/targets/target.ts#UpResult"]],
  down: [["", "cli/targets/target.ts#DownResult"]],
  plan: [
    ["target `local`", "infra/plan/plan.ts#Plan"],
    ["target `aws`", "infra/plan/aws/plan.ts#AwsPlan"],
    ["target `fleet`", "infra/plan/fleet/plan.ts#FleetPlan"],
    ["target `ci`", "infra/plan/ci/plan.ts#CiPlan"],
  ],
  status: [["", "cli/targets/target.ts#StatusResult"]],
  restart: [["", "cli/commands/restart.ts#RestartReport"]],
  logs: [["one object per line", "cli/commands/logs.ts#LogLine"]],
  open: [["", "cli/commands/open.ts#OpenResult"]],
  picture: [["", "cli/service/images.ts#SavedImages"]],
  doctor: [["", "cli/commands/doctor.ts#DoctorResult"]],
  "ci setup": [["", "cli/targets/ci/setup.ts#CiSetup"]],
  "ci doctor": [["", "cli/commands/doctor.ts#DoctorResult"]],
  rehearse: [["", "cli/rehearsal/rehearse.ts#Rehearsal"]],
  stop: [["", "cli/targets/target.ts#StopResult"]],
  start: [["", "cli/targets/target.ts#StartResult"]],
  drain: [["", "cli/targets/target.ts#DrainResult"]],
  pin: [["", "cli/targets/target.ts#PinResult"]],
  "move-az": [["", "cli/targets/target.ts#MoveResult"]],
  "volume restore": [["", "cli/targets/target.ts#MoveResult"]],
  "cache put": [["", "cli/targets/own-model.ts#PutResult"]],
  "cache clear": [["", "cli/commands/cache/clear.ts#ClearResult"]],
  "cache backup": [
    ["", "cli/targets/target.ts#BackupResult"],
    ["`--snapshot`", "cli/targets/target.ts#SnapshotResult"],
  ],
};

/** Commands that print the JSON of `image-gen` as it is, and the class that makes it. */
export const PASSED_ON: Readonly<Record<string, string>> = {
  "cache status": "CacheStatus",
  "cache verify": "VerifyReport",
  "cache prefetch": "ReadyModel",
  "cache mirror": "ExportReport",
  "cache gc": "GcReport",
  "cache restore": "RestoreReport",
};

export function jsonPage(declarations: Declarations, service: ServiceFacts): string {
  const results = Object.entries(RESULTS).flatMap(([command, sources]) =>
    sources.map(([when, source]) => {
      const heading = `## imagegen ${command}${when ? `, ${when}` : ""}`;
      return `${heading}\n\n${fieldTable(fieldsOf(declarations, source))}`;
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
    'A failure prints `{"error": {"message": …, "exitCode": …, "details": [{"message": …, "fix": …}]}}`, but for `status`, `doctor`, `cache verify` and `cache gc`, ' +
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
      const [file = ""] = source.split("#");
      return fieldsOf(declarations, source).map(({ type }) => ({ type, file }));
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
