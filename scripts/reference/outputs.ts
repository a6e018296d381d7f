import type { Declarations } from "./interfaces.ts";
import { fieldsOf } from "./json-output.ts";
import { code, page, table } from "./markdown.ts";

const COMMON = "infra/outputs.ts#ServiceOutputs";
const LOCAL = "infra/docker/outputs.ts#LocalOutputs";
const AWS = "infra/aws/outputs.ts#AwsOutputs";
const FLEET = "infra/aws/fleet/outputs.ts#FleetOutputs";
const CI = "infra/aws/ci/outputs.ts#CiOutputs";

export function outputsPage(declarations: Declarations): string {
  const common = fieldsOf(declarations, COMMON);
  const names = new Set(common.map(({ name }) => name));
  const own = (source: string) => fieldsOf(declarations, source).filter(({ name }) => !names.has(name));
  const rows = (fields: typeof common) =>
    table(
      ["output", "type", "meaning"],
      fields.map(({ name, type, text }) => [
        code(name),
        code(type.replace(/^pulumi\.Output<(.*)>$/, "$1").replace(/^Target$/, '"local" | "aws"')),
        text,
      ]),
    );
  return page(
    "Stack outputs",
    "Read them with `pulumi stack output <name> --stack <stack>`. In an update they resolve once the service is ready; a preview shows those that are known before.",
    "## Every service",
    rows(common),
    "## Only the target `local`",
    rows(own(LOCAL)),
    "## Only the target `aws`",
    rows(own(AWS)),
    "## The target `fleet`",
    rows(fieldsOf(declarations, FLEET)),
    "## The target `ci`",
    rows(fieldsOf(declarations, CI)),
  );
}
