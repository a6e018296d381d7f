/** Says of the demo model that its pictures are noise, and how to get others. */
import { part } from "../elements.js";
import { onModel } from "../service/model.js";

export function beginDemo() {
  onModel((model) => {
    part("demo").hidden = !model.demo;
  });
}
