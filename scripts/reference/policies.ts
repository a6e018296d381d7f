import { awsRules, dockerRules } from "../../policy/rules/all.ts";
import { code, page, table } from "./markdown.ts";

export function policiesPage(): string {
  const rows = (rules: typeof dockerRules) => rules.map(({ name, description }) => [code(name), description]);
  return page(
    "Policies",
    "All rules are mandatory: a violation stops the preview or update. See [enforce policies](../guides/policies.md).",
    "## Docker, and every image",
    table(["rule", "requires"], rows(dockerRules)),
    "## AWS",
    table(["rule", "requires"], rows(awsRules)),
  );
}
