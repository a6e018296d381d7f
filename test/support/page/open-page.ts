/**
 * The page in a real browser. In: the address of a service, and how it is looked at. Out: Playwright's page, and what went wrong in it: messages
 * of the console, requests to other hosts, and violations that axe-core finds. A page is closed with `close()`, which fails for the first two.
 */
import axe from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";
import { chromiumPath } from "./chromium.ts";

const LAYOUTS = {
  desktop: { width: 1280, height: 800 },
  phone: { width: 390, height: 844 },
} as const;

export interface Look {
  readonly layout?: keyof typeof LAYOUTS;
  readonly scheme?: "light" | "dark";
}

/** Each layout and each scheme once: what is clipped depends on the one, and contrast on the other. */
export const LOOKS: readonly Required<Look>[] = [
  { layout: "desktop", scheme: "light" },
  { layout: "phone", scheme: "dark" },
];

export interface OpenPage {
  readonly page: Page;
  /** Errors and warnings of the console, and exceptions. Those that a test expects it takes out. */
  readonly problems: string[];
  /** All requests, by their address. */
  readonly requests: string[];
  /** One line for each violation of accessibility. */
  violations(): Promise<string[]>;
  close(): Promise<void>;
}

let browser: Browser | undefined;

/** The browser of this file's tests; `closeBrowser` ends it. */
async function openBrowser(): Promise<Browser> {
  const executablePath = chromiumPath();
  if (!executablePath) throw new Error("no Chromium");
  browser ??= await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
  return browser;
}

export async function closeBrowser(): Promise<void> {
  await browser?.close();
  browser = undefined;
}

export interface OpenOptions extends Look {
  /** Before the first request, for routes and scripts of the test. */
  readonly before?: (page: Page) => Promise<unknown>;
  /** Waits until pictures can be made (true). */
  readonly ready?: boolean;
}

export async function openPage(url: string, options: OpenOptions = {}): Promise<OpenPage> {
  const { layout = "desktop", scheme = "light", before, ready = true } = options;
  const context = await (await openBrowser()).newContext({
    viewport: LAYOUTS[layout],
    colorScheme: scheme,
    hasTouch: layout === "phone",
    reducedMotion: "reduce",
    acceptDownloads: true,
  });
  const page = await context.newPage();
  const problems: string[] = [];
  const requests: string[] = [];
  /** Requests without an answer, for the message of a page that never gets ready. */
  const unanswered = new Map<string, string>();
  page.on("console", (message) => {
    // Other suites start containers and virtual machines, whose interfaces come and go: then Chromium ends all requests, and says so.
    if (message.text().includes("net::ERR_NETWORK_CHANGED")) return;
    if (message.type() === "error" || message.type() === "warning") problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("request", (request) => {
    requests.push(request.url());
    unanswered.set(request.url(), "not answered");
  });
  page.on("requestfinished", (request) => unanswered.delete(request.url()));
  page.on("requestfailed", (request) => unanswered.set(request.url(), request.failure()?.errorText ?? "failed"));
  await before?.(page);
  await page.goto(url);
  if (ready) {
    const seen = () => page.locator("#state").textContent();
    await page
      .locator("#state[data-phase=ready]")
      .waitFor({ timeout: 60_000 })
      .catch(async (error: unknown) => {
        const waiting = [...unanswered].map((each) => each.join(": "));
        const all = [`the state: ${await seen()}`, ...problems, ...waiting].join("\n");
        throw new Error(`${url} does not get ready in the page:\n${all}`, { cause: error });
      });
    await modelKnown(page);
  }
  return {
    page,
    problems,
    requests,
    violations: () => violationsOf(page),
    close: async () => {
      await context.close();
      const { host } = new URL(url);
      const others = requests.filter((each) => /^(https?|wss?):/.test(each) && new URL(each).host !== host);
      const wrong = [...problems, ...others.map((each) => `a request to another host: ${each}`)];
      if (wrong.length > 0) throw new Error(`The page had problems:\n${wrong.join("\n")}`);
    },
  };
}

/** The address of a module of the page. */
const moduleOf = (name: string) =>
  `document.querySelector("script[type=module]").src.replace("main.js", ${JSON.stringify(name)})`;

/** Runs with the exports of a module of the page in `it`. */
export const inModule = (page: Page, name: string, work: string) =>
  page.evaluate(
    `(async () => { const it = await import(${moduleOf(name)}); return await (async () => { ${work} })(); })()`,
  );

/** Waits until the page knows its model, or asks for a key first: before, its form ignores files. */
export const modelKnown = (page: Page) => inModule(page, "service/model.js", KNOWN);

const KNOWN = `await new Promise((resolve) => {
  it.onModel((model) => model.default_size !== null && resolve());
  const timer = setInterval(() => document.getElementById("sign-in").open && resolve(clearInterval(timer)), 50);
})`;

/** Through the debugger, which the page's policy of scripts does not bind; the page runs under its own policy. */
async function violationsOf(page: Page): Promise<string[]> {
  if (!(await page.evaluate("'axe' in window"))) await page.evaluate(axe.source);
  const { violations } = (await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")) as AxeResults;
  return violations.flatMap(({ id, help, nodes }) => nodes.map(({ target }) => `${id}: ${help} (${target.join(" ")})`));
}

interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly help: string;
    readonly nodes: readonly { readonly target: readonly string[] }[];
  }[];
}
