import { imagegenCommand } from "../../command-line.ts";
import { type Problem, qualifyKey } from "../../config/problem.ts";
import { INSTANCE_TYPES } from "./instance-types.ts";

/** The zones that offer each instance type, as EC2's DescribeInstanceTypeOfferings tells. */
export type Offerings = Readonly<Record<string, readonly string[]>>;

export interface ZoneRequest {
  readonly stack: string;
  readonly region: string;
  /** Acceptable types, the preferred one first. */
  readonly types: readonly string[];
  /** The volume's zone, the configured one, or the subnet's; null: any. */
  readonly zone: string | null;
  /** Whether that is where a volume is already, which only a move can change. */
  readonly hasVolume: boolean;
  /** What a GPU must have, in MiB. */
  readonly gpuMemoryMib: number;
}

export interface ZoneChoice {
  /** Where the volume and the host go. */
  readonly zone: string;
  /** The types of the list that this zone offers, in its order; the first one is launched. */
  readonly types: readonly string[];
}

/** The types that a host may have, the one to try first in front. A pinned type that is not in the list is the only one. */
export function hostTypes({
  instanceTypes,
  pinnedInstanceType: pinned,
}: {
  readonly instanceTypes: readonly string[];
  readonly pinnedInstanceType: string | null;
}): readonly string[] {
  if (pinned === null) return [...new Set(instanceTypes)];
  return instanceTypes.includes(pinned) ? [...new Set([pinned, ...instanceTypes])] : [pinned];
}

/** All types whose offers `chooseZone` must know: its fix names others than those of the list. */
export const typesToLookUp = (types: readonly string[]): readonly string[] => [
  ...new Set([...types, ...Object.keys(INSTANCE_TYPES)]),
];

/**
 * The zone for a new volume, and so for its host: of the zones with the first type of the list that any of them offers, the
 * one that offers most of the list, by name where several do. The program and `imagegen` decide by this function alone.
 */
export function chooseZone(
  request: ZoneRequest,
  offers: Offerings,
  zones: readonly string[],
): ZoneChoice | { readonly problem: Problem } {
  const offered = (zone: string) => request.types.filter((type) => offers[type]?.includes(zone));
  const candidates = request.zone === null ? [...zones].sort() : [request.zone];
  const rank = (zone: string) => request.types.findIndex((type) => offers[type]?.includes(zone));
  const [best] = candidates
    .filter((zone) => rank(zone) >= 0)
    .sort((a, b) => rank(a) - rank(b) || offered(b).length - offered(a).length);
  if (best !== undefined) return { zone: best, types: offered(best) };
  return { problem: problemOf(request, otherZones(request, offers, zones), offers) };
}

/** Other zones with a type of the list, the best one first. */
export function otherZones(
  { types, zone }: Pick<ZoneRequest, "types" | "zone">,
  offers: Offerings,
  zones: readonly string[],
): readonly string[] {
  const count = (one: string) => types.filter((type) => offers[type]?.includes(one)).length;
  return zones
    .filter((one) => one !== zone && count(one) > 0)
    .sort((a, b) => count(b) - count(a) || a.localeCompare(b));
}

function problemOf(request: ZoneRequest, others: readonly string[], offers: Offerings): Problem {
  const { stack, region, types, zone, hasVolume, gpuMemoryMib } = request;
  const [best] = others;
  if (zone === null || best === undefined) {
    const here = Object.entries(INSTANCE_TYPES)
      .filter(([type, { gpuMemoryMib: memory }]) => memory >= gpuMemoryMib && (offers[type] ?? []).length > 0)
      .map(([type]) => type);
    return {
      path: qualifyKey("instanceTypes"),
      expected: `a type that ${region} offers`,
      got: types.join(","),
      fix: here.length > 0 ? { set: "instanceTypes", value: here.slice(0, 3).join(",") } : OTHER_REGION,
    };
  }
  return {
    path: qualifyKey("availabilityZone"),
    expected: `a zone that offers one of ${types.join(", ")}: ${others.join(", ")}`,
    got: zone,
    fix: hasVolume ? { text: imagegenCommand(stack, `move-az ${best}`) } : { set: "availabilityZone", value: best },
  };
}

/** A volume can't move to another zone by itself: the zone of config, or its subnet's, must be the volume's. `move`: how to move it. */
export function otherZoneProblem(
  move: (zone: string) => string,
  { zone, wanted, volumeId }: { readonly zone: string; readonly wanted: string; readonly volumeId: string },
): Problem {
  return {
    path: qualifyKey("availabilityZone"),
    expected: `${zone}, where the volume ${volumeId} is`,
    got: wanted,
    fix: { text: `${move(wanted)}, or use a subnet in ${zone} again` },
  };
}

const OTHER_REGION = { set: "aws:region", value: "us-east-1" };
