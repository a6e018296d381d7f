/** What a preview found, from the log of the engine's events, in the order in which it found it. */

/** A resource that would change. */
export interface ResourceChange {
  readonly urn: string;
  readonly type: string;
  readonly operation: Operation;
  /** Paths of what differs in it; none where all of it comes or goes. */
  readonly properties: readonly string[];
}

/** What the policy pack says of a resource, or of the whole stack. */
export interface PolicyFinding {
  readonly urn: string | undefined;
  readonly policy: string;
  /** `mandatory` stops an update, `advisory` does not. */
  readonly level: string;
  readonly message: string;
}

export interface PreviewResult {
  /** Whether the engine got to the end: what a preview that failed has not found may be there all the same. */
  readonly complete: boolean;
  readonly changes: readonly ResourceChange[];
  readonly unchanged: number;
  readonly findings: readonly PolicyFinding[];
  /** Whether a policy pack was in force. */
  readonly hasPolicies: boolean;
}

/** What is done to a resource. A replacement is one, whatever its steps are. */
export const OPERATIONS = ["create", "update", "replace", "delete", "import"] as const;
export type Operation = (typeof OPERATIONS)[number];

/** The stack's own changes are its outputs. */
const STACK = "pulumi:pulumi:Stack";

interface Step {
  readonly op: string;
  readonly urn: string;
  readonly type: string;
  readonly diffs?: readonly string[] | null;
  readonly detailedDiff?: Readonly<Record<string, unknown>> | null;
}

interface EngineEvent {
  readonly resourcePreEvent?: { readonly metadata: Step };
  readonly resOutputsEvent?: { readonly metadata: Step };
  readonly policyEvent?: {
    readonly resourceUrn?: string;
    readonly message: string;
    readonly policyName: string;
    readonly enforcementLevel: string;
  };
  readonly summaryEvent?: {
    readonly result?: string;
    readonly resourceChanges?: Readonly<Record<string, number>>;
    readonly PolicyPacks?: Readonly<Record<string, string>>;
  };
}

/** In: the log's text, an event a line. A log that ends early is of a preview that is not complete. */
export function readPreview(log: string): PreviewResult {
  const events = log.split("\n").filter(Boolean).flatMap(readEvent);
  const summary = events.findLast(({ summaryEvent }) => summaryEvent)?.summaryEvent;
  // Of a refresh, only the events after a step say what it found; of a preview, those before and after say the same.
  const steps = events.flatMap(
    ({ resourcePreEvent, resOutputsEvent }) => (resourcePreEvent ?? resOutputsEvent)?.metadata ?? [],
  );
  return {
    complete: summary?.result === "succeeded",
    changes: changesOf(steps),
    unchanged: summary?.resourceChanges?.same ?? 0,
    findings: events.flatMap(({ policyEvent: found }) =>
      found
        ? [
            {
              urn: found.resourceUrn,
              policy: found.policyName,
              level: found.enforcementLevel,
              message: found.message.trim(),
            },
          ]
        : [],
    ),
    hasPolicies: Object.keys(summary?.PolicyPacks ?? {}).length > 0,
  };
}

/** The last line of a process that was killed may be half a line. */
function readEvent(line: string): EngineEvent[] {
  try {
    return [JSON.parse(line) as EngineEvent];
  } catch {
    return [];
  }
}

function changesOf(steps: readonly Step[]): ResourceChange[] {
  const changes = new Map<string, ResourceChange>();
  for (const { op, urn, type, diffs, detailedDiff } of steps) {
    const operation = OPERATIONS.find((each) => each === op);
    if (!operation || type === STACK || changes.has(urn)) continue;
    const isWhole = operation === "create" || operation === "delete";
    const paths = Object.keys(detailedDiff ?? {});
    const properties = paths.length > 0 ? paths : (diffs ?? []);
    changes.set(urn, { urn, type, operation, properties: isWhole ? [] : properties });
  }
  return [...changes.values()];
}
