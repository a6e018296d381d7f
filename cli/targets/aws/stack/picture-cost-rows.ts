import type { AwsPlan } from "../../../../infra/plan/aws/plan.ts";
import type { PictureCostOption } from "../../../../infra/plan/prices/picture-cost.ts";
import { PUBLISHED_FOR } from "../../../../infra/plan/prices/picture-seconds.ts";
import { formatPercent, formatUsd } from "../../../../infra/units.ts";
import { commandFor } from "../../../core/command-line.ts";

type PictureCost = AwsPlan["pictureCost"];

/** What 1,000 pictures cost, for people: the stack's way first, and then others, each with what it is made from. */
export function pictureCostRows({ pictureCost, host, region, stack }: AwsPlan): [string, string][] {
  const { usdPerHour, priceRegion, nightStop, options } = pictureCost;
  if (usdPerHour === null) return [["pictures", `no price of ${host.instanceType} is known`]];
  const elsewhere = priceRegion === region ? "" : `, at the price of ${priceRegion}`;
  const rows: [string, string][] = [
    ["pictures", amountOf(pictureCost, elsewhere)],
    ["", describeSeconds(pictureCost)],
    ["", `formula: ${pictureCost.formula}`],
  ];
  if (pictureCost.idleShare === null)
    rows.push(["", `the stack's own seconds and idle share: ${commandFor(stack, "status")}`]);
  for (const option of options) rows.push(["", describeOption(option, pictureCost, region)]);
  if (!options.some((option) => option.kind === "region"))
    rows.push([
      "",
      `other regions: no price in the lists is lower than that of ${priceRegion}; without credentials of AWS they have one region`,
    ]);
  if (pictureCost.spotSource !== null) rows.push(["", `spot: ${pictureCost.spotSource}`]);
  if (nightStop) {
    const { hoursPerDay, savedUsdPerMonth, formula } = nightStop;
    rows.push([
      "",
      `a stop of ${hoursPerDay} hours each night saves ${formatUsd(savedUsdPerMonth)} a month: ${formula}`,
    ]);
  }
  return rows;
}

function amountOf(
  { usdPerHour, secondsPerPicture, busyUsd, usedUsd, idleShare }: PictureCost,
  elsewhere: string,
): string {
  // Without seconds the price of one second is the most that can be said.
  if (busyUsd === null)
    return `${formatUsd((usdPerHour ?? 0) / 3.6)} for 1,000, for each second that one takes${elsewhere}`;
  const used = usedUsd === null ? "" : `, ${formatUsd(usedUsd)} with ${formatPercent(idleShare ?? 0)} idle`;
  return `${formatUsd(busyUsd)} for 1,000, never idle${used}: ${secondsPerPicture} s at ${usdPerHour} USD an hour${elsewhere}`;
}

function describeSeconds({ secondsPerPicture, secondsSource, secondsKind }: PictureCost): string {
  if (secondsPerPicture === null) return secondsSource;
  const picture = secondsKind === "published" ? ` of ${PUBLISHED_FOR.picture}` : "";
  return `${secondsPerPicture} s a picture${picture}: ${secondsSource}`;
}

/** `region`: the stack's. Prices of two regions are compared only where the region is what is different. */
function describeOption(option: PictureCostOption, { usdPerHour, priceRegion }: PictureCost, region: string): string {
  const { kind, what, usdPerHour: hour, busyUsd, usedUsd, secondsPerPicture } = option;
  const isComparable = kind === "region" || option.region === priceRegion;
  const compared = isComparable ? ` (${formatPercent(hour / (usdPerHour ?? hour))} of the stack's)` : "";
  const elsewhere = kind === "region" || option.region === region ? "" : `, at the price of ${option.region}`;
  const price = `${hour} USD an hour${compared}${elsewhere}`;
  if (busyUsd === null) return `${what}: ${price}, no seconds known`;
  return `${what}: ${formatUsd(busyUsd)}${usedUsd === null ? "" : `, ${formatUsd(usedUsd)} with idle`} (${secondsPerPicture} s), ${price}`;
}
