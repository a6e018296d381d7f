import { accessSync, constants } from "node:fs";

const PLACES = ["/usr/bin/chromium", "/usr/bin/google-chrome", "/usr/bin/chromium-browser"];

/** The browser of this machine; `IMAGEGEN_TEST_CHROMIUM` names another. */
export function chromiumPath(): string | undefined {
  const places = process.env.IMAGEGEN_TEST_CHROMIUM ? [process.env.IMAGEGEN_TEST_CHROMIUM] : PLACES;
  return places.find((place) => {
    try {
      accessSync(place, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Why the suite of the page cannot run here. */
export function missingForPage(): string | undefined {
  return chromiumPath() ? undefined : "no Chromium: `apt-get install chromium`, or IMAGEGEN_TEST_CHROMIUM names one.";
}
