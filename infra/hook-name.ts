import { SERVICE_NAME } from "./contract.ts";

/** A hook's name, of which a program has one: those of a second component of the program have its name before it. */
export const hookName = (component: string, hook: string): string =>
  component === SERVICE_NAME ? hook : `${component}-${hook}`;
