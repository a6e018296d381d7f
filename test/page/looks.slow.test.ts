/**
 * Every state of a service that is ready (start.slow.test.ts has the others) in each layout and scheme: nothing inaccessible, nothing wider than the window, no text cut off. With IMAGEGEN_TEST_SHOTS, a folder, each is
 * kept there as a picture.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, describe, expect, test } from "vitest";
import { closeBrowser, LOOKS, openPage } from "../support/page/open-page.ts";
import { type ServiceName, serviceUrl } from "../support/page/services.ts";
import { chooseSource, paintMask } from "../support/page/source.ts";

const folder = process.env.IMAGEGEN_TEST_SHOTS;
if (folder) mkdirSync(folder, { recursive: true });
afterAll(closeBrowser);

interface State {
  readonly service?: ServiceName;
  readonly act?: (page: Page) => Promise<void>;
}

const steps = (page: Page, count: string) => page.getByLabel("Steps", { exact: true }).fill(count);
const start = (page: Page) => page.locator("#make").click();
const done = (page: Page) => page.getByText(/^Done in/).waitFor();
const STATES: Readonly<Record<string, State>> = {
  empty: {},
  "another-model": { service: "plain" },
  painting: {
    act: async (page) => {
      await steps(page, "150");
      await start(page);
      await page.getByAltText("The picture so far").waitFor();
    },
  },
  queue: {
    act: async (page) => {
      await steps(page, "150");
      for (const prompt of ["A red fox in the snow, watercolour", "A harbour at night ".repeat(20), "x".repeat(300)]) {
        await page.locator("#prompt").fill(prompt);
        await start(page);
      }
      await page.getByText(/^Place 2 in the queue/).waitFor();
    },
  },
  made: {
    act: async (page) => {
      await steps(page, "4");
      await start(page);
      await done(page);
    },
  },
  four: {
    act: async (page) => {
      await steps(page, "2");
      await page.getByRole("radio", { name: /^Wide/ }).check();
      await page.getByLabel("Pictures", { exact: true }).fill("4");
      await start(page);
      await done(page);
    },
  },
  cancelled: {
    act: async (page) => {
      await steps(page, "150");
      await start(page);
      await page.locator("#result").getByText(/^Step/).waitFor();
      await page.locator("#cancel").click();
      await page.locator("#result").getByText("Cancelled").waitFor();
    },
  },
  refused: {
    act: async (page) => {
      await page.evaluate("document.getElementById('form').noValidate = true");
      await steps(page, "500");
      await start(page);
      await page
        .locator("#error")
        .getByText(/^steps: expected/)
        .waitFor();
    },
  },
  more: {
    act: async (page) => {
      await page.getByRole("radio", { name: /^Other/ }).check();
      await page.getByText("More", { exact: true }).click();
      await page.getByLabel("Format").selectOption("jpeg");
      await page.getByLabel("Quality").scrollIntoViewIfNeeded();
    },
  },
  source: {
    act: async (page) => {
      await chooseSource(page);
      await page.getByAltText("The picture to start from").scrollIntoViewIfNeeded();
    },
  },
  mask: {
    act: async (page) => {
      await chooseSource(page);
      await paintMask(page);
      await page.getByRole("img", { name: "Mask" }).focus();
      await page.keyboard.down("Space");
      for (let index = 0; index < 5; index += 1) await page.keyboard.press("ArrowRight");
      await page.keyboard.up("Space");
    },
  },
  "sign-in": {
    service: "locked",
    act: async (page) => {
      await page.getByRole("textbox", { name: "API key" }).fill("wrong");
      await page.keyboard.press("Enter");
      await page.getByText("This key is not one of the service's.").waitFor();
    },
  },
};

/** Elements whose text is wider or higher than they are, and are not meant to be scrolled or shortened. */
const CUT = `[...document.querySelectorAll("button, label, summary, legend, dd, dt, h1, h2, p, b, small, code, li")]
  .filter((element) => element.checkVisibility() && getComputedStyle(element).webkitLineClamp === "none")
  .filter(({ scrollWidth, clientWidth, scrollHeight, clientHeight }) =>
    clientWidth > 0 && (scrollWidth > clientWidth + 1 || scrollHeight > clientHeight + 1))
  .map((element) => element.tagName + ": " + element.textContent.slice(0, 60))`;

describe.each(Object.entries(STATES))("%s", (name, { service = "demo", act }) => {
  test.each(LOOKS)("$layout, $scheme", async (look) => {
    const opened = await openPage(serviceUrl(service), look);
    const { page } = opened;
    await page.locator("#shapes label").first().waitFor();
    await act?.(page);
    if (folder) await page.screenshot({ path: join(folder, `${name}-${look.layout}-${look.scheme}.png`) });
    expect(await opened.violations()).toEqual([]);
    expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBe(0);
    expect(await page.evaluate(CUT)).toEqual([]);
    if (folder && look.layout === "phone")
      await page.screenshot({ path: join(folder, `${name}-${look.layout}-${look.scheme}-all.png`), fullPage: true });
    for (const cancel of await page
      .locator("#run-list")
      .getByRole("button", { name: /^Cancel/ })
      .all())
      await cancel.click({ timeout: 1000 }).catch(() => {});
    // A refusal is a line of the browser's own.
    opened.problems.splice(0, opened.problems.length, ...opened.problems.filter((each) => !/40[01]|503/.test(each)));
    await opened.close();
  });
});
