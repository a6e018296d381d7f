/** Readers of public price catalogues. In: a file's text. Out: what it says of the instance types that are asked for. */

/** Karpenter's generated Go source: a map from region to type to USD an hour, with the time of its making. */
export function readOnDemand(text: string, region: string, types: readonly string[]) {
  const date = /^\/\/ generated at (\d{4}-\d\d-\d\d)T/m.exec(text)?.[1];
  const block = text.split(/^\t"/m).find((part) => part.startsWith(`${region}": {`));
  if (!date || block === undefined) throw new Error(`No prices of ${region} with a date in Karpenter's list.`);
  const all = new Map([...block.matchAll(/"([a-z0-9-]+\.[a-z0-9-]+)": ([\d.]+)/g)].map(([, type, usd]) => [type, usd]));
  return { date, usdPerHour: pick(types, (type) => (all.has(type) ? Number(all.get(type)) : undefined)) };
}

/** The Spot Advisor's JSON: by region, system and type, the saving over on demand in percent. */
export function readSavings(text: string, region: string, types: readonly string[]) {
  const { spot_advisor: advisor } = JSON.parse(text) as {
    spot_advisor: Record<string, { Linux: Record<string, { s: number }> }>;
  };
  const linux = advisor[region]?.Linux;
  if (!linux) throw new Error(`No savings of ${region} in the Spot Advisor's data.`);
  return pick(types, (type) => linux[type]?.s);
}

function pick(types: readonly string[], find: (type: string) => number | undefined): Record<string, number> {
  return Object.fromEntries(
    types.flatMap((type) => {
      const found = find(type);
      return found === undefined ? [] : [[type, found]];
    }),
  );
}
