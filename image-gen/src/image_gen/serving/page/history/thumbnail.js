/** Small pictures for the list: hundreds of whole ones would take gigabytes of memory. */
import { make } from "../elements.js";

/** Longest side; they are shown at half of it, for screens with two pixels for one. */
const SIDE = 288;

/** A WebP of the picture, or the picture itself where the browser can't read it. */
export async function thumbnailOf(blob) {
  const bitmap = await createImageBitmap(blob).catch(() => null);
  if (bitmap === null) return blob;
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  const sides = { width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale) };
  const canvas = make("canvas", sides);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, sides.width, sides.height);
  bitmap.close();
  const small = await new Promise((resolve) => canvas.toBlob(resolve, "image/webp", 0.85));
  return small ?? blob;
}
