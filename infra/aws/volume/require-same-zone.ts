import { qualifyKey, wordForPulumi } from "../../config/problem.ts";
import { UserError } from "../../errors.ts";

/** A disk can't be moved by wishing: the wish and the disk must agree. Returns the zone; throws `UserError`. */
export function checkedZone(zone: string, wanted: string, volumeId: string): string {
  if (zone === wanted) return zone;
  throw new UserError(
    wordForPulumi({
      path: qualifyKey("availabilityZone"),
      expected: `${zone}, where the volume ${volumeId} is`,
      got: wanted,
      fix: { text: `imagegen move-az ${wanted}, or use a subnet in ${zone} again` },
    }),
  );
}
