import type { Parser } from "./parsers.ts";

/** The most characters of a LoRA's name. */
export const LORA_NAME = 64;

interface Lora {
  readonly name: string;
  /** A place on the hub, or a path that the service sees. */
  readonly source: string;
}

const NAME = new RegExp(`^[A-Za-z0-9][A-Za-z0-9._-]{0,${LORA_NAME - 1}}$`);
const SOURCE = /^(?:\/.+|[^\s/@]+(?:\/\S+)+)$/;
const EXPECTED = "name=org/repository@commit or name=/path/in/the/container, with commas between them";

export function lorasIn(list: string): readonly Lora[] {
  const items = list.split(",").map((item) => item.trim());
  return items.filter((item) => item !== "").map(read);
}

/** LoRAs as the service reads them (`parse_loras`). */
export const loraList: Parser<string> = (value) => {
  const found = value.split(",").map((item) => read(item.trim()));
  if (!found.every(({ name, source }) => NAME.test(name) && SOURCE.test(source))) return { expected: EXPECTED };
  if (found.some(({ source }) => !source.startsWith("/") && source.split("/").some((part) => /^\.{1,2}$/.test(part))))
    return { expected: `${EXPECTED}, without . and .. in a place on the hub` };
  const twice = found.find(({ name }, index) => found.findIndex((each) => each.name === name) !== index);
  return twice === undefined ? { value } : { expected: `each name once (${twice.name} stands twice)` };
};

function read(item: string): Lora {
  const [name = ""] = item.split("=", 1);
  return { name, source: item.slice(name.length + 1) };
}
