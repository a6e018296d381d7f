import { table } from "../reference/markdown.ts";
import { changeTable, nameOf, type OperationWords, resourceName } from "./changes.ts";
import { costReport, readCost } from "./cost.ts";
import { details } from "./details.ts";
import { OPERATIONS, type PolicyFinding, type PreviewResult, readPreview } from "./events.ts";

/** What a preview left, as texts. */
interface PreviewFiles {
  readonly succeeded: boolean;
  readonly events: string;
  readonly log: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

const MOST_FINDINGS = 20;
const LONGEST_MESSAGE = 400;

const WORDS: OperationWords = {
  create: "create",
  update: "update",
  replace: "replace",
  delete: "delete",
  import: "import",
};

/** One comment: the resources that change, the cost of a month, the policies' findings and the end of the preview's text. */
export function previewComment(stack: string, { succeeded, events, log, before, after }: PreviewFiles): string {
  const result = readPreview(events);
  const title = succeeded ? `What \`pulumi up\` would do to ${stack}` : `\`pulumi preview\` of ${stack} failed`;
  return [
    `### ${title}`,
    changesPart(result),
    `#### Cost\n\n${costReport(readCost(before), readCost(after))}`,
    `#### Policies\n\n${findingsPart(result)}`,
    // Open where the preview failed: the reason is at its end.
    details("The preview's text", log, { isOpen: !succeeded }),
  ].join("\n\n");
}

function changesPart(result: PreviewResult): string {
  const { complete, changes, unchanged } = result;
  const counts = OPERATIONS.map((operation) => [
    operation,
    changes.filter((each) => each.operation === operation).length,
  ]);
  const parts = [
    ...counts.filter(([, count]) => count !== 0).map(([operation, count]) => `${count} to ${operation}`),
    `${unchanged} unchanged`,
  ];
  const sentence = `Resources: ${parts.join(", ")}.${complete ? "" : " The preview did not get to its end: there may be more."}`;
  return changes.length === 0 ? sentence : `${sentence}\n\n${changeTable(changes, WORDS)}`;
}

function findingsPart({ findings, hasPolicies, complete }: PreviewResult): string {
  if (findings.length > 0) {
    const rows = findings.slice(0, MOST_FINDINGS).map(findingRow);
    const left = findings.length - rows.length;
    return `${table(["", "policy", "resource", "finding"], rows)}${left > 0 ? `\n\n${left} more: the job's log has all.` : ""}`;
  }
  if (!hasPolicies) return "The policy pack did not run.";
  return complete ? "No findings." : "No findings up to where the preview ended.";
}

const findingRow = ({ level, policy, urn, message }: PolicyFinding) => [
  level,
  nameOf(policy),
  urn === undefined ? "the stack" : nameOf(resourceName(urn)),
  nameOf(message, LONGEST_MESSAGE),
];
