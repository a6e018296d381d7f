/** Files of pictures: their names, and downloads of one or of all. */
import { make } from "../elements.js";
import { fileOf } from "./history.js";
import { zip } from "./zip.js";

/** Of a picture to start from. */
const ENDINGS = { "image/jpeg": "jpg", "image/webp": "webp" };
const LONGEST_NAME = 60;
/** A download begins within this time; then its address is given back. In milliseconds. */
const BEGUN = 60_000;

/** Letters and digits of the prompt, in any script, and the seed: a name for every file system and shell. */
function stemOf({ settings, seed }) {
  const words = (settings.prompt ?? "").normalize("NFC").replaceAll(/[^\p{L}\p{M}\p{N}]+/gu, "-");
  const short = [...words]
    .slice(0, LONGEST_NAME)
    .join("")
    .replaceAll(/^-+|-+$/g, "");
  return `${short || "picture"}-${seed}`;
}

/** `{ picture, image, mask }`. */
export function fileNames(facts) {
  const stem = stemOf(facts);
  const ending = facts.format === "jpeg" ? "jpg" : facts.format;
  const image = `${stem}-start.${ENDINGS[facts.imageType] ?? "png"}`;
  return { picture: `${stem}.${ending}`, image, mask: `${stem}-mask.png` };
}

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), BEGUN);
}

/** Downloads the file of a kind; false where the picture is gone. */
export async function download(facts, kind = "picture") {
  const blob = await fileOf(facts.id, kind);
  if (blob) save(blob, fileNames(facts)[kind]);
  return blob !== null;
}

/** Downloads all as one archive, with their settings. `onCount(done)` after each; resolves with how many there are. */
export async function downloadAll(pictures, { onCount, signal }) {
  const settings = [];
  const taken = new Set();
  async function* files() {
    for (const facts of pictures) {
      const entry = { ...facts, files: {} };
      for (const [kind, name] of Object.entries(fileNames(facts))) {
        const blob = await fileOf(facts.id, kind);
        if (!blob) continue;
        entry.files[kind] = freeName(name, taken);
        yield { name: entry.files[kind], blob, time: facts.madeAt };
      }
      settings.push(entry);
      onCount(settings.length);
    }
    const text = `${JSON.stringify({ pictures: settings }, null, 2)}\n`;
    yield { name: "settings.json", blob: new Blob([text]), time: Date.now() };
  }
  const archive = await zip(files(), { signal });
  save(archive, `image-gen-${new Date().toISOString().slice(0, 10)}.zip`);
  return settings.length;
}

/** Names that differ in case alone are one file on some systems. */
function freeName(name, taken) {
  const [, stem, ending] = /^(.*)(\.[^.]+)$/.exec(name);
  let free = name;
  for (let number = 2; taken.has(free.toLowerCase()); number += 1) free = `${stem}-${number}${ending}`;
  taken.add(free.toLowerCase());
  return free;
}
