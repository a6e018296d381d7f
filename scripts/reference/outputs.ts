import type { Declarations } from "./interfaces.ts";
import { fieldsOf } from "./json-output.ts";
import { code, page, table } from "./markdown.ts";

const COMMON = "infra/outputs.ts#ServiceOutputs";
const AWS = "infra/aws/outputs.ts#AwsOutputs";

export function outputsPage(declarations: Declarations): string {
  const common = fieldsOf(declarations, COMMON);
  const names = new Set(common.map(({ name }) => name));
  const aws = fieldsOf(declarations, AWS).filter(({ name }) => !names.has(name));
  const rows = (fields: typeof common) =>
    fields.map(({ name, type, text }) => [code(name), code(type.replace(/^pulumi\.Output<(.*)>$/, "$1")), text]);
  return page(
    "Stack outputs",
    "Read them with `pulumi stack output <name> --stack <stack>`. Every output resolves once the service is ready.",
    "## Every target",
    table(["output", "type", "meaning"], rows(common)),
    "## The target `aws`, besides",
    table(["output", "type", "meaning"], rows(aws)),
  );
}
