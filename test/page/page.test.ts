/** The page as a whole: what is sent for it, under which policy, and a picture made with it. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, inject, test } from "vitest";
import { closeBrowser, LOOKS, openPage } from "../support/page/open-page.ts";
import { paths } from "../support/paths.ts";
import { KEY } from "./global-setup.ts";

const folder = join(paths.imageGen, "src/image_gen/serving/page");
const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) =>
  statSync(join(folder, file)).isFile(),
);
const url = inject("url");
afterAll(closeBrowser);

describe("what is sent", () => {
  test("the document has the policy, is asked for again, and is not sent twice", async () => {
    const first = await fetch(url);
    expect(first.headers.get("content-security-policy")).toMatch(/script-src 'self'; style-src 'self'/);
    expect(first.headers.get("content-security-policy")).not.toContain("unsafe");
    expect(first.headers.get("cache-control")).toBe("no-cache");
    const etag = first.headers.get("etag") ?? "";
    const second = await fetch(url, { headers: { "if-none-match": etag } });
    expect([second.status, await second.text()]).toEqual([304, ""]);
  });

  test("the document names every module and style of the folder, so that none waits for another", async () => {
    const text = await (await fetch(url)).text();
    const named = [...text.matchAll(/(?:href|src)="page\/[0-9a-f]{12}\/([^"]+)"/g)].map(([, name]) => name);
    const optional = files.filter((file) => /\.(css|js)$/.test(file));
    expect(named.toSorted()).toEqual(optional.toSorted());
  });

  test("less than 100 kB until the first paint, from this host alone", async () => {
    const opened = await openPage(url);
    const sizes = await Promise.all(
      opened.requests
        .filter((each) => each.startsWith(url))
        .map(async (each) => {
          const answer = await fetch(each, { headers: { "accept-encoding": "gzip" } });
          return Number(answer.headers.get("content-length") ?? 0);
        }),
    );
    const sum = sizes.reduce((one, other) => one + other, 0);
    console.log(`the page is ${(sum / 1000).toFixed(1)} kB in ${sizes.length} requests`);
    expect(sum).toBeGreaterThan(5000);
    expect(sum).toBeLessThan(100_000);
    await opened.close();
  });
});

describe("a picture", () => {
  test.each(LOOKS)("is made, and nothing is inaccessible: $layout, $scheme", async (look) => {
    const opened = await openPage(url, look);
    const { page } = opened;
    expect(await opened.violations()).toEqual([]);
    await page.getByLabel("Steps").fill("3");
    await page.getByLabel("Seed").fill("7");
    await page.getByRole("button", { name: "Make a picture" }).click();
    await page.getByText(/Seed 7, .* 3 steps/).waitFor();
    expect(await opened.violations()).toEqual([]);
    expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
    await opened.close();
  });
});

describe("a service with a key", () => {
  test("asks for it, says that one is wrong, and is used with the right one", async () => {
    const opened = await openPage(inject("lockedUrl"));
    const { page } = opened;
    await page.getByRole("textbox", { name: "API key" }).fill("another");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("This key is not one of the service's.").waitFor();
    expect(await opened.violations()).toEqual([]);
    await page.getByRole("textbox", { name: "API key" }).fill(KEY);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await page.getByRole("button", { name: "Make a picture" }).click();
    await page.getByText(/Seed \d+/).waitFor();
    // The browser's own words for each refusal.
    opened.problems.splice(0, opened.problems.length, ...opened.problems.filter((each) => !each.includes("401")));
    await opened.close();
  });
});
