/** The page as a whole: what is sent for it, under which policy, the key, and what it says of the demo model. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { afterAll, describe, expect, test } from "vitest";
import { checkStart, startsOf } from "../support/commands/check.ts";
import { closeBrowser, openPage } from "../support/page/open-page.ts";
import { KEY, serviceUrl } from "../support/page/services.ts";
import { paths } from "../support/paths.ts";

const folder = join(paths.imageGen, "src/image_gen/serving/page");
const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) =>
  statSync(join(folder, file)).isFile(),
);
const ofKind = (ending: string) => files.filter((file) => file.endsWith(ending)).toSorted();
const importsOf = (module: string) =>
  [...readFileSync(join(folder, module), "utf8").matchAll(/from "(\.[^"]+)"/g)].map(([, other]) =>
    join(dirname(module), other ?? ""),
  );
const url = serviceUrl("demo");
afterAll(closeBrowser);

describe("what is sent", () => {
  test("the document has the policy, is asked for again, and is not sent twice", async () => {
    const first = await fetch(url);
    expect(first.headers.get("content-security-policy")).toMatch(/script-src 'self' 'sha256-[^']+'; style-src 'self'/);
    expect(first.headers.get("content-security-policy")).not.toContain("unsafe");
    expect(first.headers.get("cache-control")).toBe("no-cache");
    const etag = first.headers.get("etag") ?? "";
    const second = await fetch(url, { headers: { "if-none-match": etag } });
    expect([second.status, await second.text()]).toEqual([304, ""]);
  });

  test("the document names every style, and every module is at most three imports from the first one", async () => {
    const text = await (await fetch(url)).text();
    const named = [...text.matchAll(/(?:href|src)="page\/[0-9a-f]{12}\/([^"]+)"/g)].map(([, name]) => name ?? "");
    expect(named.filter((name) => name.endsWith(".css")).toSorted()).toEqual(ofKind(".css"));
    let level = named.filter((name) => name.endsWith(".js"));
    const reached = new Set(level);
    for (let imports = 0; imports < 3; imports += 1) {
      level = level.flatMap(importsOf);
      for (const name of level) reached.add(name);
    }
    expect([...reached].toSorted()).toEqual(ofKind(".js"));
  });

  test("is less than 100 kB until the first paint, and comes from this host alone", async () => {
    const opened = await openPage(url);
    const own = opened.requests.filter((each) => each.startsWith(url));
    const sizes = await Promise.all(
      own.map(async (each) => {
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

  test("a second visit asks for no file again", async () => {
    const opened = await openPage(url);
    await opened.page.reload();
    await opened.page.locator("#state[data-phase=ready]").waitFor();
    const entries = "performance.getEntriesByType('resource').filter(({ name }) => name.includes('/page/'))";
    const sizes = (await opened.page.evaluate(`${entries}.map(({ transferSize }) => transferSize)`)) as number[];
    expect(sizes.length).toBeGreaterThan(20);
    expect(sizes.filter((size) => size > 0)).toEqual([]);
    await opened.close();
  });
});

describe("the demo model", () => {
  test("is said to make noise, with a command for another model that exists", async () => {
    const opened = await openPage(url);
    await opened.page.getByText("This is the demo model.").waitFor();
    const command = (await opened.page.locator("#demo code").textContent()) ?? "";
    expect(command).toBe("imagegen up --model stabilityai/stable-diffusion-xl-base-1.0");
    const starts = startsOf({ where: "the page", command, reader: "shell" });
    expect(starts).toHaveLength(1);
    expect(starts.map((start) => checkStart(start, []))).toEqual([null]);
    await opened.close();
  });

  test("is not mentioned of another", async () => {
    const opened = await openPage(serviceUrl("plain"));
    await opened.page.getByRole("spinbutton", { name: "Guidance" }).waitFor({ state: "hidden" });
    expect(await opened.page.locator("#demo").isVisible()).toBe(false);
    await opened.close();
  });
});

describe("the cost of pictures", () => {
  /** The facts of a service that says this of its usage. */
  async function factsWith(usage: Readonly<Record<string, unknown>>): Promise<string> {
    const opened = await openPage(serviceUrl("plain"), {
      before: (page) =>
        page.route("**/readyz", async (route) => {
          const answer = await route.fetch();
          const body = (await answer.json()) as Record<string, unknown>;
          await route.fulfill({ response: answer, json: { ...body, usage } });
        }),
    });
    const text = (await opened.page.locator("#facts").textContent()) ?? "";
    await opened.close();
    return text;
  }

  test("is shown where the operator has named a price, and nowhere else", async () => {
    const costs = { usd_per_1000_images: { busy: 2, all: 20.004 } };
    expect(await factsWith({ usd_per_hour: 0.8, ...costs })).toMatch(
      /1,000 pictures2\.00 USD busy, 20\.00 USD with the time between them$/,
    );
    expect(await factsWith({ usd_per_hour: null, usd_per_1000_images: null })).not.toContain("USD");
    expect(await factsWith({ usd_per_hour: 0.8, usd_per_1000_images: null })).toMatch(/Cost0\.8 USD an hour$/);
  });
});

describe("a service with a key", () => {
  test("asks for it, says that one is wrong, and is used with the right one", async () => {
    const opened = await openPage(serviceUrl("locked"));
    const { page } = opened;
    await page.getByRole("textbox", { name: "API key" }).fill("another");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("This key is not one of the service's.").waitFor();
    expect(await opened.violations()).toEqual([]);
    await page.getByRole("textbox", { name: "API key" }).fill(KEY);
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await page.getByRole("button", { name: "Make a picture" }).click();
    await page.getByText(/Done in/).waitFor();
    // What the model has is known with the key alone.
    await page.getByText("More", { exact: true }).click();
    await page.getByText("sketch").check();
    await page.getByLabel("Weight of pixel").fill("-0.5");
    const sent = page.waitForRequest(/generations/);
    await page.keyboard.press("Control+Enter");
    expect((await sent).postDataJSON()).toMatchObject({
      loras: [
        { name: "sketch", weight: 1 },
        { name: "pixel", weight: -0.5 },
      ],
    });
    await page.getByRole("definition").getByText("sketch 1, pixel -0.5").waitFor();
    // The browser's own words for each refusal.
    opened.problems.splice(0, opened.problems.length, ...opened.problems.filter((each) => !each.includes("401")));
    await opened.close();
  });
});

test("bench:page exits with 1 where the page misses its bar", async () => {
  const ended = await execa(process.execPath, ["bench/page.ts", "--loads", "1", "--bars", "0"], {
    reject: false,
    all: true,
  });
  expect([ended.exitCode, ended.all]).toEqual([1, expect.stringContaining("MISSED")]);
}, 60_000);
