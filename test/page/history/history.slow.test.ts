/** The history: what survives a reload, is used again, deleted and brought back, and what another tab sees of it. */
import { afterAll, describe, expect, test } from "vitest";
import {
  announce,
  bytesOf,
  detail,
  hash,
  makePicture,
  openPicture,
  storedText,
  thumbnails,
} from "../../support/page/history.ts";
import { closeBrowser, openPage } from "../../support/page/open-page.ts";
import { KEY, serviceUrl } from "../../support/page/services.ts";

const url = serviceUrl("demo");
afterAll(closeBrowser);

describe("pictures that were made", () => {
  test("are there after a reload, newest first, and all or one of their settings are used again", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    await makePicture(page, { prompt: "a red house", negative: "text", seed: "7", steps: "2" });
    await makePicture(page, { prompt: "a blue house", negative: "", seed: "8" });
    await page.reload();
    await page.locator("#state[data-phase=ready]").waitFor();
    await thumbnails(page).nth(1).waitFor();
    const names = await page.evaluate("[...document.querySelectorAll('#history-days img')].map(({ alt }) => alt)");
    expect(names).toEqual(["a blue house, seed 8", "a red house, seed 7"]);
    const dialog = await openPicture(page, 1);
    expect(await dialog.locator(".setting dt").allTextContents()).toEqual([
      "Prompt",
      "Left out",
      "Seed",
      "Size",
      "Steps",
    ]);
    await dialog.getByRole("button", { name: "Use this seed" }).click();
    await dialog.getByText("Seed is in the form.").waitFor();
    expect(await page.locator("#seed").inputValue()).toBe("7");
    expect(await page.locator("#negative").inputValue()).toBe("");
    await dialog.getByRole("button", { name: "Use all settings" }).click();
    await dialog.waitFor({ state: "hidden" });
    const values = ["prompt", "negative", "steps", "seed"].map((id) => page.locator(`#${id}`).inputValue());
    expect(await Promise.all(values)).toEqual(["a red house", "text", "2", "7"]);
    await opened.close();
  });

  test("are the bytes of the service, and are downloaded under the name of prompt and seed", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    await makePicture(page, { prompt: 'Ein Schloß, "süß" & <groß>/../x', seed: "3" });
    const dialog = await openPicture(page);
    const started = page.waitForEvent("download");
    await dialog.getByRole("button", { name: "Download", exact: true }).click();
    const download = await started;
    expect(download.suggestedFilename()).toBe("Ein-Schloß-süß-groß-x-3.png");
    const body = { prompt: 'Ein Schloß, "süß" & <groß>/../x', seed: 3, steps: 1 };
    const answer = await fetch(`${url}/v1/images/generations`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const { data } = (await answer.json()) as { data: { b64_json: string }[] };
    expect(hash(await bytesOf(download))).toBe(hash(Buffer.from(data[0]?.b64_json ?? "", "base64")));
    await opened.close();
  });

  test("are varied: the same settings with another seed, at once", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    await makePicture(page, { prompt: "a fox", seed: "7", steps: "2" });
    const dialog = await openPicture(page);
    const sent = page.waitForRequest(/generations/);
    await dialog.getByRole("button", { name: "Another seed", exact: true }).click();
    const { seed, size, stream, progress, partial_images, ...rest } = (await sent).postDataJSON();
    expect([seed, rest]).toEqual([undefined, { prompt: "a fox", steps: 2 }]);
    await thumbnails(page).nth(1).waitFor();
    const again = await openPicture(page);
    const edited = page.waitForRequest(/edits/);
    await again.getByRole("button", { name: "Make a variation" }).click();
    expect((await edited).headers()["content-type"]).toContain("multipart/form-data");
    await thumbnails(page).nth(2).waitFor();
    const third = await openPicture(page);
    await third.getByText("Began with this picture").waitFor();
    expect(await third.locator(".setting", { hasText: "Strength" }).locator("dd").textContent()).toBe("0.6");
    await opened.close();
  });

  test("are what another one starts from, as a whole or for a part of it", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    await makePicture(page, { prompt: "a fox", seed: "7", steps: "2" });
    await page.locator("#prompt").fill("something else");
    const dialog = await openPicture(page);
    await dialog.getByRole("button", { name: "Start from it" }).click();
    await page.getByAltText("The picture to start from").waitFor();
    expect(await page.locator("#prompt").inputValue()).toBe("something else");
    await page.getByRole("button", { name: "Remove" }).click();
    await (await openPicture(page)).getByRole("button", { name: "Change a part" }).click();
    const mask = page.getByRole("dialog", { name: "Paint over the part to change" });
    await mask.getByText("Nothing is covered.").waitFor();
    expect(await mask.getByRole("button", { name: "Use it and make" }).isDisabled()).toBe(true);
    await mask.getByRole("img", { name: "Mask" }).click();
    await mask.getByText(/^\d+ % is covered\.$/).waitFor();
    await mask.getByRole("button", { name: "Use it and make" }).click();
    await thumbnails(page).nth(1).waitFor();
    const made = await openPicture(page);
    await made.getByText("Began with this picture and mask").waitFor();
    const setting = (name: string) => made.locator(".setting", { hasText: name }).locator("dd").textContent();
    expect(await setting("Prompt")).toMatch(/^a fox/);
    expect(await setting("Seed")).not.toBe("7Use");
    await opened.close();
  });

  test("are deleted one at a time, with undo, and all after a question", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    await announce(page, 4);
    await thumbnails(page).nth(3).waitFor();
    const dialog = await openPicture(page, 1);
    await dialog.getByRole("button", { name: "Delete" }).click();
    await dialog.getByRole("img", { name: "Announced picture 1, seed 1" }).waitFor();
    expect((await storedText(page)).count).toBe(3);
    await dialog.getByRole("button", { name: "Undo" }).click();
    await dialog.getByRole("img", { name: "Announced picture 2, seed 2" }).waitFor();
    expect(await storedText(page)).toMatchObject({
      count: 4,
      kinds: [...Array(4).fill("picture"), ...Array(4).fill("thumbnail")],
    });
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Delete all" }).click();
    const question = page.getByRole("dialog", { name: "Delete 4 pictures?" });
    await question.getByRole("button", { name: "Cancel" }).click();
    expect(await thumbnails(page).count()).toBe(4);
    await page.getByRole("button", { name: "Delete all" }).click();
    await question.getByRole("button", { name: "Delete 4 pictures" }).click();
    await page.locator("#history").waitFor({ state: "hidden" });
    expect(await storedText(page)).toEqual({ count: 0, kinds: [], text: "[]" });
    await opened.close();
  });

  test("are seen by another tab as they come and go", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    const other = await page.context().newPage();
    await other.goto(url);
    await announce(page, 2);
    await thumbnails(other).nth(1).waitFor();
    await openPicture(other);
    await thumbnails(page).first().focus();
    await page.keyboard.press("Delete");
    await detail(other).getByRole("img", { name: "Announced picture 0, seed 0" }).waitFor();
    expect(await thumbnails(other).count()).toBe(1);
    await page.getByRole("button", { name: "Undo" }).click();
    await expect.poll(() => thumbnails(other).count()).toBe(2);
    await opened.close();
  });

  test("are for this tab only where the browser has no database, and the page says so", async () => {
    const blocked =
      "Object.defineProperty(window, 'indexedDB', { get() { throw new DOMException('blocked', 'SecurityError'); } })";
    const opened = await openPage(url, { before: (page) => page.addInitScript(blocked) });
    const { page } = opened;
    await page.getByText(/the history lasts for this tab only/).waitFor();
    await makePicture(page, { prompt: "kept here", seed: "5" });
    const dialog = await openPicture(page);
    await dialog.getByRole("button", { name: "Use this prompt" }).click();
    await dialog.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("button", { name: "Undo" }).click();
    await thumbnails(page).first().waitFor();
    await opened.close();
  });

  test("are kept without the key", async () => {
    const opened = await openPage(serviceUrl("locked"));
    const { page } = opened;
    await page.getByRole("textbox", { name: "API key" }).fill(KEY);
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await makePicture(page, { prompt: "locked" });
    const { count, text } = await storedText(page);
    expect([count, text.includes("locked"), text.includes(KEY)]).toEqual([1, true, false]);
    opened.problems.splice(0, opened.problems.length, ...opened.problems.filter((each) => !each.includes("401")));
    await opened.close();
  });
});
