/** The picture to start from: a file, and what the page must be ready for before one is chosen or masked. */
import { crc32, deflateSync } from "node:zlib";
import type { Page } from "playwright-core";

/** A PNG of 192 × 96 pixels of one colour, (200, 60, 30), to start from. */
export const photo = { name: "photo.png", mimeType: "image/png", buffer: png(192, 96, [200, 60, 30]) };

/** Chooses the picture to start from, once the page knows that its model takes one: until then it ignores files. */
export async function chooseSource(page: Page, file: typeof photo = photo): Promise<void> {
  await page.locator("#source-choose").waitFor();
  await page.locator("#source-file").setInputFiles(file);
}

/** Opens the dialog of the mask and waits until it takes keys. */
export async function paintMask(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Paint a mask" }).click();
  await page.locator("#mask #brush:focus").waitFor();
  await page.locator("#mask-state").filter({ hasText: "covered" }).waitFor();
}

function png(width: number, height: number, colour: readonly number[]): Buffer {
  const row = Buffer.concat([Buffer.from([0]), Buffer.from(Array.from({ length: width }, () => colour).flat())]);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8);
  const data = deflateSync(Buffer.concat(Array.from({ length: height }, () => row)));
  const magic = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([magic, chunk("IHDR", header), chunk("IDAT", data), chunk("IEND", Buffer.alloc(0))]);
}

function chunk(kind: string, data: Buffer): Buffer {
  const content = Buffer.concat([Buffer.from(kind), data]);
  const sizes = Buffer.alloc(8);
  sizes.writeUInt32BE(data.length, 0);
  sizes.writeUInt32BE(crc32(content), 4);
  return Buffer.concat([sizes.subarray(0, 4), content, sizes.subarray(4)]);
}
