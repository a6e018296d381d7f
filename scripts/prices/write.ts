/**
 * Writes `infra/plan/prices/instance-prices.ts` from two catalogues, each a clone of a public repository:
 *
 *   npm run prices -- --karpenter <clone of aws/karpenter-provider-aws> --spotinfo <clone of alexei-led/spotinfo>
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { INSTANCE_TYPES } from "../../infra/plan/aws/instance-types.ts";
import { readOnDemand, readSavings } from "./catalogues.ts";

const REGION = "us-east-1";
const ON_DEMAND = "pkg/providers/pricing/zz_generated.pricing_aws.go";
const SPOT = "internal/spot/data/spot-advisor-data.json";

const { karpenter, spotinfo } = parseArgs({
  options: { karpenter: { type: "string" }, spotinfo: { type: "string" } },
}).values;
if (!karpenter || !spotinfo) {
  process.stderr.write("Expected two clones. Fix: npm run prices -- --karpenter <clone> --spotinfo <clone>\n");
  process.exit(2);
}
const git = (clone: string, ...args: string[]) =>
  execFileSync("git", ["-C", clone, ...args], { encoding: "utf8", maxBuffer: 2 ** 26 }).trim();
const commitOf = (clone: string, file: string) => git(clone, "log", "-1", "--format=%H", "--", file);
const types = Object.keys(INSTANCE_TYPES);
const prices = readOnDemand(git(karpenter, "show", `HEAD:${ON_DEMAND}`), REGION, types);
const table = {
  onDemand: {
    source: {
      name: "Karpenter's price list",
      url: `https://github.com/aws/karpenter-provider-aws/blob/HEAD/${ON_DEMAND}`,
      licence: "Apache-2.0",
      commit: commitOf(karpenter, ON_DEMAND),
      date: prices.date,
    },
    usdPerHour: { [REGION]: prices.usdPerHour },
  },
  spot: {
    source: {
      name: "spotinfo's copy of AWS's Spot Advisor",
      url: `https://github.com/alexei-led/spotinfo/blob/HEAD/${SPOT}`,
      licence: "Apache-2.0",
      commit: commitOf(spotinfo, SPOT),
      date: git(spotinfo, "log", "-1", "--format=%cs", "--", SPOT),
    },
    savingPercent: { [REGION]: readSavings(git(spotinfo, "show", `HEAD:${SPOT}`), REGION, types) },
  },
};
const file = join(import.meta.dirname, "../../infra/plan/prices/instance-prices.ts");
writeFileSync(
  file,
  `/** Written by \`npm run prices\`: do not edit. Prices of instances with Linux, in USD an hour. */
export const INSTANCE_PRICES = ${JSON.stringify(table, null, 2)};\n`,
);
execFileSync("npx", ["biome", "check", "--write", file], { stdio: "inherit" });
