/** Tables of prices in pages that are written by hand, each between two marks. In: the page. Out: the page with the present tables. */
import { parseSettings } from "../../infra/config/parse.ts";
import { makeAwsPlan } from "../../infra/plan/aws/plan.ts";
import type { Manifest } from "../../infra/plan/manifest.ts";
import { INSTANCE_PRICES } from "../../infra/plan/prices/instance-prices.ts";
import { PUBLISHED_FOR, PUBLISHED_SECONDS, PUBLISHED_SOURCE } from "../../infra/plan/prices/picture-seconds.ts";
import { SERVICE_PRICE_SOURCES, SERVICE_PRICES } from "../../infra/plan/prices/service-prices.ts";
import { table } from "./markdown.ts";

/** The page with each table that it has marks for. `manifest`: of the model that the stack `aws-volume` has. */
export function withCostTables(page: string, manifest: Manifest): string {
  const tables: Readonly<Record<string, () => string>> = {
    sources: sourcesTable,
    prices: servicePricesTable,
    seconds: secondsTable,
    month: () => monthTable(manifest),
  };
  return page.replace(/(<!-- npm run docs: (\w+) -->\n)[\s\S]*?\n(<!-- end -->)/g, (_, begin, name, end) => {
    const make = tables[name];
    if (!make) throw new Error(`No table is called ${name}.`);
    return `${begin}${make()}\n${end}`;
  });
}

function sourcesTable(): string {
  const { onDemand, spot } = INSTANCE_PRICES;
  const from = ({ name, url, licence }: typeof onDemand.source) => `[${name}](${url}) (${licence})`;
  return table(
    ["price", "from", "date"],
    [
      [
        "instances on demand and on spot, in the stack's region; on demand in all others",
        "where there are credentials, AWS's Price List (`pricing:GetProducts`) and spot history (`ec2:DescribeSpotPriceHistory`)",
        "current",
      ],
      [`instances on demand, ${regions(onDemand.usdPerHour)}`, from(onDemand.source), onDemand.source.date],
      [
        `instances on spot, ${regions(spot.savingPercent)}`,
        `the same, less the saving in ${from(spot.source)}`,
        spot.source.date,
      ],
      [`all others, ${SERVICE_PRICES.region}`, "by hand: the next table", `${SERVICE_PRICES.asOf} or later`],
    ],
  );
}

const regions = (byRegion: object) => Object.keys(byRegion).join(", ");

function servicePricesTable(): string {
  const rows = Object.entries(SERVICE_PRICE_SOURCES).map(([name, { what, page, noted }]) => [
    what,
    SERVICE_PRICES[name as keyof typeof SERVICE_PRICE_SOURCES],
    noted,
    page,
  ]);
  return table(["price", "USD", "noted on", "AWS's page"], rows);
}

function secondsTable(): string {
  const rows = Object.entries(PUBLISHED_SECONDS).map(([gpu, { seconds, on }]) => [
    gpu,
    `${seconds} s`,
    on,
    PUBLISHED_SOURCE,
  ]);
  return table(["GPU", `${PUBLISHED_FOR.name}, ${PUBLISHED_FOR.picture}`, "measured on", "by"], rows);
}

/** Of the stack `aws-volume` at this repository's prices. */
function monthTable(manifest: Manifest): string {
  const parsed = parseSettings({ target: "aws", modelCache: "volume" }, { region: SERVICE_PRICES.region });
  if ("problems" in parsed || parsed.settings.target !== "aws") throw new Error("The stack aws-volume has no plan.");
  const { cost } = makeAwsPlan(parsed.settings, manifest, "aws-volume");
  const usd = (value: number | null) => (value === null ? "?" : value.toFixed(2));
  return table(
    ["USD", "running, per month", "stopped, per month"],
    [
      ...cost.items.map(({ what, usdPerMonth, whileStopped }) => [
        what,
        usd(usdPerMonth),
        whileStopped ? usd(usdPerMonth) : "—",
      ]),
      ["**total**", `**${usd(cost.runningUsdPerMonth)}**`, `**${usd(cost.stoppedUsdPerMonth)}**`],
    ],
  );
}
