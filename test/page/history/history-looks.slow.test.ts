/** Each state of the history in each layout and scheme: nothing inaccessible, nothing clipped. */
import type { Page } from "playwright-core";
import { afterAll, expect, test } from "vitest";
import { announce, detail, makePicture, openPicture, thumbnails } from "../../support/page/history.ts";
import { closeBrowser, LOOKS, type OpenPage, openPage } from "../../support/page/open-page.ts";
import { serviceUrl } from "../../support/page/services.ts";
import { chooseSource } from "../../support/page/source.ts";

afterAll(closeBrowser);

/** What is wider than the window or its dialog, or has a text that is cut off. */
const CLIPPED = `[...document.querySelectorAll("#history, #history *, dialog[open], dialog[open] *")]
  .filter((each) => each.checkVisibility() && !each.matches(".off-screen"))
  .filter((each) => each.getBoundingClientRect().right > innerWidth + 0.5 || each.getBoundingClientRect().left < -0.5 ||
    (each.matches("button, p, dd, td, th, h2, h3") && !each.closest(".thumbnails") && each.scrollWidth > each.clientWidth + 1))
  .map((each) => each.id || each.className || each.tagName + ": " + each.textContent.slice(0, 40))`;

async function expectGood(opened: OpenPage, state: string) {
  expect(await opened.violations(), state).toEqual([]);
  expect(await opened.page.evaluate(CLIPPED), state).toEqual([]);
  expect(await opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), state).toBe(true);
}

const history = (page: Page) => page.locator("#history").scrollIntoViewIfNeeded();

test.each(LOOKS)("nothing is inaccessible or clipped: $layout, $scheme", async (look) => {
  const opened = await openPage(serviceUrl("demo"), look);
  const { page } = opened;
  await announce(page, 2, { days: 3 });
  await announce(page, 9, { days: 1 });
  await chooseSource(page);
  const prompt = `A lighthouse on a cliff at dusk, oil painting, ${"very detailed, ".repeat(12)}Donaudampfschifffahrtselektrizitätenhauptbetriebswerk`;
  await makePicture(page, { prompt, negative: "text, frame", seed: "21", steps: "2", guidance: "4.5" });
  await page.getByRole("button", { name: "Remove" }).click();
  await makePicture(page, { prompt, negative: "", seed: "22", steps: "3" });
  await thumbnails(page).nth(12).waitFor();
  await history(page);
  await expectGood(opened, "gallery");
  await openPicture(page, 1);
  await expectGood(opened, "detail");
  await detail(page).getByRole("button", { name: "Use this seed" }).click();
  await expectGood(opened, "detail-used");
  await detail(page).getByRole("button", { name: "Compare with" }).click();
  await history(page);
  await expectGood(opened, "picking");
  await thumbnails(page).first().click();
  const comparison = page.getByRole("dialog", { name: "Compare" });
  await comparison.waitFor();
  await expectGood(opened, "comparison");
  await comparison.getByText(/^The same in both/).click();
  await expectGood(opened, "comparison-all");
  await page.keyboard.press("Escape");
  await thumbnails(page).first().focus();
  await page.keyboard.press("Delete");
  await page.getByRole("button", { name: "Undo" }).waitFor();
  await expectGood(opened, "deleted");
  await page.getByLabel("Find prompt or seed").fill("no such prompt");
  await expectGood(opened, "none");
  await page.getByLabel("Find prompt or seed").fill("");
  await page.getByRole("button", { name: "Delete all" }).click();
  await expectGood(opened, "question");
  await opened.close();
});

test.each(LOOKS)("nothing is where the browser keeps nothing: $layout, $scheme", async (look) => {
  const blocked = "Object.defineProperty(window, 'indexedDB', { value: undefined })";
  const opened = await openPage(serviceUrl("demo"), { ...look, before: (page) => page.addInitScript(blocked) });
  const { page } = opened;
  await announce(page, 3);
  await history(page);
  await expectGood(opened, "blocked");
  await opened.close();
});
