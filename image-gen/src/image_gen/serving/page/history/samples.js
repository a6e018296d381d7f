/** The request of a picture as a command of curl for a POSIX shell, and as a program with OpenAI's client for Python. */
import { fileNames } from "./files.js";

/** What OpenAI's client has an argument for; the service's own fields go into `extra_body`. */
const ARGUMENTS = new Set(["prompt", "size", "output_format", "output_compression", "quality"]);
/** Characters that are invisible, or change the order of a line, where the text is pasted. */
const HIDDEN = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
const address = (path) => new URL(path, document.baseURI).href;
const json = (value) =>
  JSON.stringify(value).replace(HIDDEN, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
/** Nothing has a meaning between single quotes but their end. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const bodyOf = ({ settings }) => ({ ...settings });

/** A command that writes the picture to a file. */
export function curlOf(facts) {
  const names = fileNames(facts);
  const path = facts.imageType ? "v1/images/edits" : "v1/images/generations";
  const lines = [
    `curl -sSf ${quoted(address(path))}`,
    `-H "Authorization: Bearer $IMAGE_GEN_API_KEY"`,
    ...(facts.imageType
      ? formOf(facts, names)
      : ["-H 'Content-Type: application/json'", `-d ${quoted(json(bodyOf(facts)))}`]),
  ];
  return `${lines.join(" \\\n  ")} |\n  jq -r '.data[0].b64_json' | base64 --decode > ${quoted(names.picture)}\n`;
}

/** `--form-string` takes a text as it is; `-F` would read files and types in it. */
function formOf(facts, names) {
  const texts = Object.entries(bodyOf(facts)).map(
    ([name, value]) => `--form-string ${quoted(`${name}=${formText(value)}`)}`,
  );
  const files = [
    `-F ${quoted(`image=@${names.image}`)}`,
    ...(facts.hasMask ? [`-F ${quoted(`mask=@${names.mask}`)}`] : []),
  ];
  return [...files, ...texts];
}

const formText = (value) => (typeof value === "object" ? json(value) : String(value));

export function pythonOf(facts) {
  const names = fileNames(facts);
  const body = Object.entries(bodyOf(facts));
  const own = body.filter(([name]) => !ARGUMENTS.has(name));
  // In a form a list is JSON text.
  const extra = own.map(([name, value]) => [name, facts.imageType && typeof value === "object" ? json(value) : value]);
  const files = [["image", names.image], ...(facts.hasMask ? [["mask", names.mask]] : [])];
  const lines = [
    ...(facts.imageType ? files.map(([name, file]) => `${name}=open(${python(file)}, "rb"),`) : []),
    ...body.filter(([name]) => ARGUMENTS.has(name)).map(([name, value]) => `${name}=${python(value)},`),
    ...(extra.length > 0 ? [`extra_body=${python(Object.fromEntries(extra))},`] : []),
  ];
  return `import base64
import os

from openai import OpenAI

client = OpenAI(base_url=${python(address("v1"))}, api_key=os.environ.get("IMAGE_GEN_API_KEY", "none"))
answer = client.images.${facts.imageType ? "edit" : "generate"}(
${lines.map((line) => `    ${line}`).join("\n")}
)
with open(${python(names.picture)}, "wb") as file:
    file.write(base64.b64decode(answer.data[0].b64_json))
`;
}

/** A text of JSON is one of Python, too. */
function python(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object")
    return `{${Object.entries(value)
      .map(([name, each]) => `${json(name)}: ${python(each)}`)
      .join(", ")}}`;
  return json(value);
}
