/** The model, its files and the device. */
import { make, part } from "../elements.js";
import { onStatus } from "../service/status.js";
import { bytes } from "../text.js";

const SOURCES = {
  baked: "from the image",
  volume: "from the cache, nothing was downloaded",
  download: "downloaded at this start",
  directory: "from a directory",
};

export function beginFacts() {
  onStatus((status) => {
    if (status === null) return;
    const facts = {
      Model: status.model,
      Revision: status.revision || "none",
      Files: status.source ? `${bytes(status.bytes_total)}, ${SOURCES[status.source]}` : "not complete yet",
      Device: status.device ?? "not known yet",
    };
    part("facts").replaceChildren(
      ...Object.entries(facts).flatMap(([name, fact]) => [make("dt", {}, name), make("dd", {}, fact)]),
    );
  });
}
