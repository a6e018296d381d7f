/** Pictures in the history of a page: made by the service as a person makes them, or announced by the dozen without it. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Download, Page } from "playwright-core";
import { inModule } from "./open-page.ts";

/** Makes a picture with the form's settings, and waits until the history has it. */
export async function makePicture(page: Page, fields: Readonly<Record<string, string>> = {}): Promise<void> {
  for (const [id, value] of Object.entries({ steps: "1", ...fields })) await page.locator(`#${id}`).fill(value);
  const before = await thumbnails(page).count();
  await page.locator("#make").click();
  await thumbnails(page).nth(before).waitFor();
}

export const thumbnails = (page: Page) => page.locator("#history-days button");
export const detail = (page: Page) => page.getByRole("dialog", { name: "Picture" });

/** The newest one, or another by its place, in the detail view. */
export async function openPicture(page: Page, place = 0) {
  await thumbnails(page).nth(place).click();
  await detail(page).locator("img").first().waitFor();
  return detail(page);
}

/** Pictures of colours, with prompts and times of their own; the last is the newest. `bytes` makes each so large. */
export async function announce(page: Page, count: number, { bytes = 0, days = 0 } = {}): Promise<void> {
  const before = await page.evaluate("document.querySelectorAll('#history-days button').length");
  await inModule(
    page,
    "pictures/made.js",
    `const canvas = Object.assign(document.createElement("canvas"), { width: 96, height: 128 });
     const context = canvas.getContext("2d");
     for (let index = 0; index < ${count}; index += 1) {
       const fill = context.createLinearGradient(0, 0, 96, 128);
       fill.addColorStop(0, \`hsl(\${index * 37 % 360} 60% 40%)\`);
       fill.addColorStop(1, \`hsl(\${(index * 37 + 60) % 360} 70% 75%)\`);
       context.fillStyle = fill;
       context.fillRect(0, 0, 96, 128);
       const png = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
       const blob = new Blob([png, crypto.getRandomValues(new Uint8Array(Math.min(65536, ${bytes}))), new Uint8Array(Math.max(0, ${bytes} - 65536))], { type: "image/png" });
       const settings = { prompt: "Announced picture " + index, steps: 3, seed: index, size: "96x128" };
       const madeAt = Date.now() - ${days} * 86400000 + index;
       it.announce({ id: it.newId(), blob, settings, seed: index, size: "96x128", format: "png", steps: 3, seconds: 1.5, notes: {}, truncated: {}, madeAt, image: null, mask: null });
     }`,
  );
  if (before === 0 || count < 10) await thumbnails(page).first().waitFor();
}

/** How many the database has, and all that is in it as text, blobs as well. */
export const storedText = (page: Page) =>
  inModule(
    page,
    "history/database.js",
    `const database = await it.openDatabase();
     const { pictures, files } = Object.fromEntries(["pictures", "files"].map((name) => [name, database.transaction(name).objectStore(name)]));
     const [facts, blobs] = await Promise.all([it.resultOf(pictures.getAll()), it.resultOf(files.getAll())]);
     database.close();
     const texts = await Promise.all(blobs.map(({ blob }) => blob.text()));
     return { count: facts.length, kinds: blobs.map(({ kind }) => kind).sort(), text: JSON.stringify(facts) + texts.join("") };`,
  ) as Promise<{ count: number; kinds: string[]; text: string }>;

export const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
export const bytesOf = async (download: Download) => readFileSync(await download.path());
