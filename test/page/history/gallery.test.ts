/** The thumbnails by keyboard, a search in them, and two pictures compared. */
import { afterAll, expect, test } from "vitest";
import { announce, detail, thumbnails } from "../../support/page/history.ts";
import { closeBrowser, openPage } from "../../support/page/open-page.ts";
import { serviceUrl } from "../../support/page/services.ts";

const url = serviceUrl("demo");
afterAll(closeBrowser);
const FOCUSED = "document.activeElement.firstChild?.alt ?? document.activeElement.id";

test("thumbnails are one stop of the tab key, and arrow keys move in them; a search finds a prompt and a seed", async () => {
  const opened = await openPage(url);
  const { page } = opened;
  await announce(page, 12);
  await expect.poll(() => thumbnails(page).count()).toBe(12);
  await page.locator("#history-delete").focus();
  await page.keyboard.press("Tab");
  expect(await page.evaluate(FOCUSED)).toBe("Announced picture 11, seed 11");
  await page.keyboard.press("ArrowRight");
  expect(await page.evaluate(FOCUSED)).toBe("Announced picture 10, seed 10");
  const columns = (await page.evaluate(
    "getComputedStyle(document.querySelector('.thumbnails')).gridTemplateColumns.split(' ').length",
  )) as number;
  await page.keyboard.press("ArrowDown");
  expect(await page.evaluate(FOCUSED)).toBe(`Announced picture ${10 - columns}, seed ${10 - columns}`);
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("End");
  expect(await page.evaluate(FOCUSED)).toBe("Announced picture 0, seed 0");
  await page.keyboard.press("Tab");
  expect(await page.evaluate("document.getElementById('history-days').contains(document.activeElement)")).toBe(false);
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Enter");
  await detail(page).getByRole("img", { name: "Announced picture 0, seed 0" }).waitFor();
  await page.keyboard.press("ArrowLeft");
  await detail(page).getByRole("img", { name: "Announced picture 1, seed 1" }).waitFor();
  await page.keyboard.press("Escape");
  await expect.poll(() => page.evaluate(FOCUSED)).toBe("Announced picture 1, seed 1");
  await page.getByLabel("Find prompt or seed").fill("PICTURE 7");
  await expect.poll(() => thumbnails(page).count()).toBe(1);
  await page.getByLabel("Find prompt or seed").fill("4");
  await expect.poll(() => thumbnails(page).count()).toBe(1);
  await opened.close();
});

test("two are compared with the settings that differ, and all settings of one are used", async () => {
  const opened = await openPage(url);
  const { page } = opened;
  await announce(page, 3);
  await expect.poll(() => thumbnails(page).count()).toBe(3);
  await page.getByRole("button", { name: "Compare two" }).click();
  await page.getByText("Choose two pictures.").waitFor();
  await thumbnails(page).nth(0).click();
  expect(await thumbnails(page).nth(0).getAttribute("aria-pressed")).toBe("true");
  await thumbnails(page).nth(2).click();
  const dialog = page.getByRole("dialog", { name: "Compare" });
  await dialog.getByText("Different: prompt, seed").waitFor();
  expect(await dialog.getByRole("row").allTextContents()).toEqual([
    "SettingLeftRight",
    "PromptAnnounced picture 2Announced picture 0",
    "Seed20",
  ]);
  expect(await dialog.getByRole("img").count()).toBe(2);
  await dialog.getByText("The same in both: 2").click();
  await dialog.getByRole("button", { name: "Use all settings of the right one" }).click();
  await dialog.waitFor({ state: "hidden" });
  expect(await page.locator("#prompt").inputValue()).toBe("Announced picture 0");
  await opened.close();
});
