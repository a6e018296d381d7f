import { gunzipSync } from "node:zlib";
import { type Props, record, text } from "./kind.ts";

const ENVIRONMENT = "/etc/image-gen/host.env";

/** What cloud-init would write to `/etc/image-gen/host.env`, as a host would read it; undefined when there is no such file. */
export function hostEnvironment(inputs: Props): ReadonlyMap<string, string> | undefined {
  const encoded = text(inputs.userDataBase64);
  const document = encoded === "" ? text(inputs.userData) : unpack(Buffer.from(encoded, "base64"));
  if (!document.startsWith("#cloud-config\n")) return undefined;
  const { write_files: files } = record(JSON.parse(document.slice(document.indexOf("\n"))));
  const file = (Array.isArray(files) ? files : []).map(record).find(({ path }) => path === ENVIRONMENT);
  if (!file) return undefined;
  const lines = contentOf(file)
    .split("\n")
    .filter((line) => /^\w+=/.test(line));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf("=")), unquote(line.slice(line.indexOf("=") + 1))]));
}

function contentOf({ content, encoding }: Props): string {
  if (!/b64|base64/.test(text(encoding))) return text(content);
  return unpack(Buffer.from(text(content), "base64"));
}

function unpack(bytes: Buffer): string {
  const zipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
  return (zipped ? gunzipSync(bytes) : bytes).toString();
}

const unquote = (value: string) => value.replace(/^(["'])(.*)\1$/, "$2");
