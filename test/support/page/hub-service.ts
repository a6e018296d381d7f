/** The service beside a hub on loopback that has its model and another one, for the page of the start and of the cache. */
import { rmSync } from "node:fs";
import type { Page } from "playwright-core";
import { type Hub, makeModels, startHub } from "../hub.ts";
import { PythonService } from "../python-service.ts";

export const OTHER_MODEL = "test/other";
export const OPERATOR_KEY = "key-of-operator";
export const READER_KEY = "key-of-reader";
const KEYS = { operator: { key: OPERATOR_KEY, permissions: ["cache"] }, reader: READER_KEY };

/** The demo model and another of its kind, on a hub that can be made to fail. */
export async function startHubOfModels(): Promise<Hub> {
  const root = await makeModels({ "image-gen/demo": {}, [OTHER_MODEL]: { seed: 1 } });
  const hub = await startHub(root, "127.0.0.1");
  const stop = async () => {
    await hub.stop();
    rmSync(root, { recursive: true, force: true });
  };
  return { ...hub, stop };
}

/** A service with keys that downloads the demo model from the hub. Its worker paints noise at once. */
export function startWithHub(
  hub: Hub,
  variables: Readonly<Record<string, string>> = {},
  options: { wait?: boolean } = {},
): Promise<PythonService> {
  return PythonService.start(
    "fake",
    {
      MODEL_DIR: "",
      MODEL_ID: "demo",
      HF_ENDPOINT: hub.endpoint,
      IMAGE_GEN_API_KEY: JSON.stringify(KEYS),
      ...variables,
    },
    options,
  );
}

/** Signs in before the page begins. */
export const signedIn = (key: string) => async (page: Page) => {
  await page.addInitScript(`sessionStorage.setItem("key", ${JSON.stringify(key)})`);
};
