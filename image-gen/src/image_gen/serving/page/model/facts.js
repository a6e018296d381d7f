/** The model, its files and the device. */
import { make, part } from "../elements.js";
import { onStatus } from "../service/status.js";
import { bytes } from "../text.js";

const SOURCES = {
  baked: "from the image",
  volume: "from the cache, nothing was downloaded",
  download: "downloaded at this start",
  directory: "from a directory",
  host: "from a cache of the host, which is only read",
  "instance-store": "from the copy on the host's own disk",
};

/** Of 1,000 pictures, where the operator has named a price, as the service calculates it. */
function costOf({ usage }) {
  if (!usage?.usd_per_hour) return {};
  const costs = usage.usd_per_1000_images;
  if (!costs) return { Cost: `${usage.usd_per_hour} USD an hour` };
  const usd = (amount) => `${amount.toFixed(2)} USD`;
  return { "1,000 pictures": `${usd(costs.busy)} busy, ${usd(costs.all)} with the time between them` };
}

export function beginFacts() {
  onStatus((status) => {
    if (status === null) return;
    const facts = {
      Model: status.model,
      Revision: status.revision || "none",
      Files: status.source ? `${bytes(status.bytes_total)}, ${SOURCES[status.source]}` : "not complete yet",
      Device: status.device ?? "not known yet",
      ...costOf(status),
    };
    part("facts").replaceChildren(
      ...Object.entries(facts).flatMap(([name, fact]) => [make("dt", {}, name), make("dd", {}, fact)]),
    );
  });
}
