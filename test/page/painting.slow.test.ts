/** While it paints: steps, previews, what is left, the queue, cancelling, and several at once. */
import type { Page } from "playwright-core";
import { afterAll, describe, expect, test } from "vitest";
import { closeBrowser, openPage } from "../support/page/open-page.ts";
import { serviceUrl } from "../support/page/services.ts";

const url = serviceUrl("demo");
afterAll(closeBrowser);

/** Enough steps to look at them: the demo model makes dozens in a second. */
const LONG = "150";

describe("a picture that is being made", () => {
  test("shows its steps, what is left, a preview that grows, and its settings", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    await page.locator("#prompt").fill("A red fox");
    await page.getByLabel("Steps").fill(LONG);
    await page.getByLabel("Guidance").fill("6.5");
    await page.getByRole("radio", { name: /^Portrait/ }).check();
    await page.keyboard.press("Control+Enter");
    const line = page.locator("#result");
    await line.getByText(/^Step \d+ of 150, about \d+ s left$/).waitFor();
    const bar = page.getByRole("progressbar", { name: "Progress of the picture" });
    const share = Number(await bar.getAttribute("value"));
    expect(share).toBeGreaterThan(0);
    for (const text of ["A red fox", "104 × 152", "6.5", "150"])
      await page.getByRole("definition").getByText(text, { exact: true }).waitFor();
    const preview = page.getByAltText("The picture so far");
    await preview.waitFor();
    expect(
      await page.evaluate(
        "document.querySelector('.preview').decode().then(() => document.querySelector('.preview').naturalWidth)",
      ),
    ).toBe(13);
    await line.getByText(/^Done in/).waitFor();
    expect(await page.evaluate("document.getElementById('picture').naturalWidth")).toBe(104);
    await page
      .getByRole("definition")
      .getByText(/^\d{3,}$/)
      .first()
      .waitFor();
    await opened.close();
  });

  test("is cancelled without an error, and the service makes the next one", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    await page.getByLabel("Steps").fill(LONG);
    await page.locator("#make").click();
    await page.locator("#result").getByText(/^Step/).waitFor();
    await page.getByRole("region", { name: "Picture" }).getByRole("button", { name: "Cancel" }).click();
    await page.locator("#result.state").getByText("Cancelled").waitFor();
    expect(await page.locator(".error:visible").count()).toBe(0);
    await page.getByLabel("Steps").fill("2");
    await page.locator("#make").click();
    await page
      .locator("#result")
      .getByText(/^Done in/)
      .waitFor();
    await opened.close();
  });

  test("of several can be looked at, and each is the one of its seed", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    await page.getByLabel("Steps").fill("2");
    await page.getByLabel("Pictures", { exact: true }).fill("3");
    await page.getByLabel("Seed", { exact: true }).fill("7");
    await page.getByRole("button", { name: "Make 3 pictures" }).click();
    await page.getByRole("button", { name: "Picture 3, seed 9" }).waitFor();
    await page.getByRole("button", { name: "Picture 2, seed 8" }).click();
    await page.getByRole("definition").getByText("8", { exact: true }).waitFor();
    const download = page.waitForEvent("download");
    await page.getByRole("link", { name: "Save" }).click();
    expect((await download).suggestedFilename()).toBe("image-gen-8.png");
    await opened.close();
  });
});

describe("several requests", () => {
  test("are made one after another, each with its place, and one that waits can be cancelled", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    await page.getByLabel("Steps").fill(LONG);
    for (const prompt of ["first", "second", "third"]) {
      await page.locator("#prompt").fill(prompt);
      await page.locator("#make").click();
    }
    const rows = page.getByRole("region", { name: "Requests" }).getByRole("listitem");
    await rows
      .nth(2)
      .getByText(/Place 2 in the queue, about \d+ s left/)
      .waitFor();
    await rows
      .nth(1)
      .getByText(/Place 1 in the queue/)
      .waitFor();
    await page.locator("#result").getByText(/^Step/).waitFor();
    expect(await page.getByRole("region", { name: "Picture" }).getByText("first").count()).toBe(1);
    await rows.nth(1).getByRole("button", { name: "Cancel: second" }).click();
    await rows.nth(1).getByText("Cancelled").waitFor();
    await rows
      .nth(2)
      .getByText(/Place 1 in the queue/)
      .waitFor();
    // The stage shows the next one by itself.
    await page.getByRole("region", { name: "Picture" }).getByText("third").waitFor();
    await page.locator("#result").getByText(/^Step/).waitFor();
    await page.getByRole("region", { name: "Picture" }).getByRole("button", { name: "Cancel" }).click();
    await opened.close();
  });

  test("of which some can't be sent yet wait on the page, and a refused one says why", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    await page.getByLabel("Steps").fill(LONG);
    for (let index = 0; index < 5; index += 1) await page.locator("#make").click();
    const rows = page.getByRole("region", { name: "Requests" }).getByRole("listitem");
    await rows.nth(4).getByText("Waits for your other pictures").waitFor();
    for (const index of [4, 3, 2, 1, 0])
      await rows
        .nth(index)
        .getByRole("button", { name: /^Cancel/ })
        .click();
    await expect.poll(() => rows.getByText("Cancelled").count()).toBe(5);
    await page.getByRole("radio", { name: /^Other/ }).check();
    await page.getByLabel("Width").fill("100");
    await page.evaluate("document.getElementById('form').noValidate = true");
    await page.locator("#make").click();
    await page
      .locator("#error")
      .getByText(/^size: expected/)
      .waitFor();
    opened.problems.splice(0, opened.problems.length, ...opened.problems.filter((each) => !each.includes("400")));
    await opened.close();
  });
});

describe("a request that the service has no place for", () => {
  const GENERATIONS = "**/v1/images/generations";

  /** Answers the first `count` requests with a refusal; gives the retry counts of all that were sent. */
  async function refuse(page: Page, status: number, count: number, seconds: number): Promise<string[]> {
    const counts: string[] = [];
    await page.route(GENERATIONS, async (route) => {
      counts.push((await route.request().headerValue("X-Stainless-Retry-Count")) ?? "");
      if (counts.length > count) return route.continue();
      const error = { message: "No place. Fix: try again later", type: "server_error", code: null, param: null };
      return route.fulfill({ status, headers: { "Retry-After": String(seconds) }, json: { error } });
    });
    return counts;
  }

  /** Starts a short picture; the browser's own messages on refusals are expected. */
  async function make(status: number, count: number, seconds: number) {
    const opened = await openPage(url);
    const counts = await refuse(opened.page, status, count, seconds);
    await opened.page.getByLabel("Steps").fill("2");
    await opened.page.locator("#make").click();
    const close = async () => {
      opened.problems.splice(0, opened.problems.length, ...opened.problems.filter((p) => !p.includes(String(status))));
      await opened.close();
    };
    return { page: opened.page, line: opened.page.locator("#result"), counts, close };
  }

  test.each([
    [429, /^The service is full; sent again in \d s$/],
    [503, /^The service is not ready; sent again in \d s$/],
  ])("is sent again when the service said, after status %s", async (status, text) => {
    const { line, counts, close } = await make(status, 2, 2);
    await line.getByText(text).waitFor();
    await line.getByText(/^Done in/).waitFor();
    expect(counts).toEqual(["0", "1", "2"]);
    await close();
  });

  test("is cancelled while it waits, and not sent any more", async () => {
    const { page, line, counts, close } = await make(429, 9, 2);
    await line.getByText(/^The service is full/).waitFor();
    await page.getByRole("region", { name: "Picture" }).getByRole("button", { name: "Cancel" }).click();
    await page.locator("#result.state").getByText("Cancelled").waitFor();
    await page.waitForTimeout(3000);
    expect(counts).toEqual(["0"]);
    await close();
  });

  test("ends with the service's message after five more refusals", async () => {
    const { page, counts, close } = await make(429, 9, 1);
    await page.locator("#error").getByText("No place.").waitFor();
    expect(counts).toHaveLength(6);
    await close();
  });
});
