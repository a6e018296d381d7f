import type { AwsSettings } from "../../../../infra/config/aws/settings.ts";
import {
  chooseZone,
  hostTypes,
  otherZoneProblem,
  otherZones,
  typesToLookUp,
  type ZoneChoice,
} from "../../../../infra/plan/aws/zone.ts";
import { commandFor } from "../../../core/command-line.ts";
import type { AwsStack } from "./stack.ts";

/** Where a stack's volume and host are, or will be, and what is offered there. */
export type Place = Readonly<Awaited<ReturnType<typeof choosePlace>>>;

/**
 * Asks EC2, and chooses as the program does: the zone of the volume that config names counts, then the subnet's, config's, and
 * the offers.
 */
export async function choosePlace(
  { name, client, state, ec2 }: AwsStack,
  settings: AwsSettings,
  gpuMemoryMib: number,
): Promise<{
  readonly choice: ReturnType<typeof chooseZone>;
  /** Other zones with a type of the list, the best one first; those that an earlier `up` of this stack was in, last. */
  readonly otherZones: readonly string[];
}> {
  const types = hostTypes(settings);
  const { subnetId, volumeId, volumeGeneration } = settings;
  // One of another generation is of an earlier zone: the program will make a new one.
  const id = volumeId ?? state.volumes.find(({ generation }) => generation === volumeGeneration)?.id;
  const [offers, zones, subnetZone, volume] = await Promise.all([
    ec2.offerings(typesToLookUp(types)),
    ec2.zones(),
    subnetId === null ? null : ec2.subnetZone(subnetId),
    // One that was deleted by hand is still in the state, until the next run looks.
    id === undefined ? undefined : ec2.volume(id),
  ]);
  const volumeZone = volume?.zone ?? null;
  const wanted = subnetZone ?? settings.availabilityZone;
  const zone = volumeZone ?? wanted;
  const request = { stack: name, region: client.region, types, zone, hasVolume: volumeZone !== null, gpuMemoryMib };
  const choice =
    volume && volumeZone !== null && wanted && wanted !== volumeZone
      ? {
          problem: otherZoneProblem((to) => commandFor(name, `move-az ${to}`), {
            zone: volumeZone,
            wanted,
            volumeId: volume.id,
          }),
        }
      : chooseZone(request, offers, zones);
  const others = otherZones({ types, zone: "problem" in choice ? zone : choice.zone }, offers, zones);
  const had = state.volumes.map((volume) => volume.zone);
  return {
    choice,
    otherZones: [...others.filter((one) => !had.includes(one)), ...others.filter((one) => had.includes(one))],
  };
}

/** The choice, unless there is none. */
export const chosen = ({ choice }: Place): ZoneChoice | null => ("problem" in choice ? null : choice);
