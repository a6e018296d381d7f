/** Lines of the engine's log of events, with the fields that a real one has. */

interface Step {
  readonly op: string;
  readonly type: string;
  readonly name: string;
  readonly properties?: readonly string[];
  /** Inputs before and after. */
  readonly values?: readonly [unknown, unknown];
}

const urnOf = (type: string, name: string) =>
  `urn:pulumi:aws-volume::Picture-Perfect-Challenge::a:b:C$${type}::${name}`;

/** As a preview logs a step before it, or a refresh after it. */
export function stepEvent(
  { op, type, name, properties = [], values = [null, null] }: Step,
  event: "resourcePreEvent" | "resOutputsEvent" = "resourcePreEvent",
): string {
  const detailedDiff = Object.fromEntries(properties.map((path) => [path, { diffKind: "update", inputDiff: true }]));
  const [before, after] = values;
  const metadata = {
    op,
    urn: urnOf(type, name),
    type,
    old: { inputs: before, outputs: before },
    new: { inputs: after, outputs: after },
    diffs: properties.map((path) => path.split(/[.[]/)[0]),
    detailedDiff,
  };
  return JSON.stringify({ sequence: 1, timestamp: 1_795_796_473, [event]: { metadata } });
}

export const policyEvent = (type: string, name: string, policyName: string, message: string, level = "mandatory") =>
  JSON.stringify({
    policyEvent: { resourceUrn: urnOf(type, name), message, policyName, enforcementLevel: level },
  });

/** `packs`: the policy packs that were in force. */
export const summaryEvent = (
  resourceChanges: Readonly<Record<string, number>>,
  { result = "succeeded", packs = {} }: { result?: string; packs?: Readonly<Record<string, string>> } = {},
) => JSON.stringify({ summaryEvent: { resourceChanges, PolicyPacks: packs, isPreview: true, result } });
