import { PROJECT } from "../../config/settings.ts";
import { UserError } from "../../errors.ts";

/** A disk can't be moved by wishing: the wish and the disk must agree. Returns the zone; throws `UserError`. */
export function checkedZone(zone: string, wanted: string, volumeId: string): string {
  if (zone === wanted) return zone;
  throw new UserError(
    `${PROJECT}:availabilityZone: expected ${zone}, where the volume ${volumeId} is, got ${wanted}. ` +
      `Fix: imagegen move-az ${wanted}, or go back to a subnet in ${zone}`,
  );
}
