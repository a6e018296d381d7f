/**
 * A person at the page, by mouse and keyboard, who counts. In: what they do, each time with the name that the guide has for it. Out: the names in
 * order, and how often they had to scroll first. A click, a drag, a chord of keys and a text that is typed are one action each; a pointer that
 * moves is none.
 */
import type { Locator, Page } from "playwright-core";

export class Person {
  /** What was done, by the names of the guide. */
  readonly actions: string[] = [];
  scrolls = 0;
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  async click(name: string, target: Locator): Promise<void> {
    await this.#find(target);
    this.actions.push(name);
    await target.click();
  }

  /** The entry of a list that a click has opened: its window is the browser's own, and no script can click in it. */
  async choose(name: string, list: Locator, value: string): Promise<void> {
    this.actions.push(name);
    await list.selectOption(value);
    // Which a click would close.
    await list.blur();
  }

  async press(name: string, keys: string): Promise<void> {
    this.actions.push(name);
    await this.#page.keyboard.press(keys);
  }

  /** From one place in an element to another; places are shares of its width and height. */
  async drag(name: string, target: Locator, from: readonly [number, number], to: readonly [number, number]) {
    await this.#find(target);
    this.actions.push(name);
    const { x, y, width, height } = await boxOf(target);
    await this.#page.mouse.move(x + from[0] * width, y + from[1] * height);
    await this.#page.mouse.down();
    await this.#page.mouse.move(x + to[0] * width, y + to[1] * height, { steps: 5 });
    await this.#page.mouse.up();
  }

  /** Waits until it is there, and scrolls to it if it is outside of the window. */
  async #find(target: Locator): Promise<void> {
    await target.waitFor();
    if (await isSeen(this.#page, target)) return;
    this.scrolls += 1;
    // As a person does, far enough to see what comes after it.
    await target.evaluate((element) => element.scrollIntoView({ block: "start" }));
  }
}

/** Where it is. The page may put another of the same name in its place meanwhile. */
async function boxOf(target: Locator) {
  let box = await target.boundingBox();
  for (let tries = 0; box === null && tries < 50; tries += 1) {
    await target.page().waitForTimeout(100);
    box = await target.boundingBox();
  }
  if (!box) throw new Error("not on the page");
  return box;
}

/** All of it is in the window. */
export async function isSeen(page: Page, target: Locator): Promise<boolean> {
  const { x, y, width, height } = await boxOf(target);
  const window = page.viewportSize();
  return window !== null && x >= 0 && y >= 0 && x + width <= window.width && y + height <= window.height;
}
