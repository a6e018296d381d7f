import type { LocalSettings } from "../config/settings.ts";
import { DEFAULT_STACK, SERVICE_NAME } from "../contract.ts";
import type { ImagePlan } from "./image.ts";

/** The image's own tag. Stacks share it only where they share all that the image is made from. */
export function contentTag({ repository }: Pick<ImagePlan, "repository">, content: string): string {
  return `${repository}:${content.slice(0, 16)}`;
}

/** What the build tags besides: the guide's name for the stack `local`, or the name that the stack's config chose. */
export function extraTags(settings: Pick<LocalSettings, "imageName">, { name }: ImagePlan, stack: string): string[] {
  const chosen = settings.imageName !== SERVICE_NAME && !name.includes("@");
  return chosen || stack === DEFAULT_STACK ? [name] : [];
}
