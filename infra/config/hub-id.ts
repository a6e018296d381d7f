import type { Parser } from "./parsers.ts";

const ID = /^[A-Za-z0-9][A-Za-z0-9_.-]*\/[A-Za-z0-9][A-Za-z0-9_.-]*$/;
/**
 * A model's page, a branch or a file there, its git repository, hf's file system (`hf://`), or `org/name@revision`; the
 * service reads the same (`split_model_id`).
 */
const PASTED =
  /^(?:(?:(?:https?:\/\/)?(?:www\.)?|git@)(?:huggingface\.co|hf\.co|hf-mirror\.com)[/:]|hf:\/\/(?:models\/)?)?([^/@]+\/[^/@]+?)(?:\.git)?(?:\/(?:tree|blob|resolve|raw|commits?)\/([^/]+).*|@(.+))?$/i;

/** A checkpoint in a repository, spelled as diffusers and LoRAs have it; the page of a pipeline's part stands for the model. */
const CHECKPOINT =
  /^(?:(?:(?:https?:\/\/)?(?:www\.)?)(?:huggingface\.co|hf\.co|hf-mirror\.com)\/|hf:\/\/(?:models\/)?)?([^/@]+\/[^/@]+)(?:\/(?:tree|blob|resolve|raw)\/([^/]+)|@([^/]+))?\/(.+\.safetensors)$/i;
const OF_A_PART = /^.+\/(?:diffusion_pytorch_model|model)\b[^/]*$/;
const FILE = /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[^/\\\s][^\\\s]*\.safetensors$/;

/** An id with one of these in the name of a file would be read as another one by the service, or cut in two by a shell. */
const AMBIGUOUS = /[\s\p{Cc}?#]|%[0-9a-f]{2}/iu;

/** The repository of an id that may name a checkpoint in it. */
export const repositoryOf = (id: string): string => id.split("/").slice(0, 2).join("/");
/** The checkpoint that an id names; undefined for a whole model. */
export const checkpointOf = (id: string): string | undefined => id.split("/").slice(2).join("/") || undefined;

/**
 * An id on the hub as people paste it. One with a revision is refused, which has a key of its own, or none. With `files` a checkpoint
 * in a repository may be named: `org/name/file.safetensors`.
 */
export const hubId =
  (
    expected: string,
    revisionKey: string | null,
    { words = [], files = false }: { readonly words?: readonly string[]; readonly files?: boolean } = {},
  ): Parser<string> =>
  (text) => {
    const plain = (text.replace(/^[\s"'`<>]+|[\s"'`<>]+$/g, "").split(/[?#]/)[0] ?? "").replace(/\/+$/, "");
    if (words.includes(plain)) return { value: plain };
    const { id, page, at } = (files ? readCheckpoint(plain) : undefined) ?? readPasted(plain);
    const file = checkpointOf(id);
    if (ID.test(repositoryOf(id)) && file !== undefined && AMBIGUOUS.test(file))
      return {
        expected: "a checkpoint without spaces, ?, # and % in its name (download it, and set the key modelDir)",
      };
    if (!ID.test(repositoryOf(id)) || !(file === undefined || FILE.test(file))) {
      const directory = /^[./~\\]/.test(plain) ? " (a model in a directory or file: the key modelDir)" : "";
      return { expected: `${expected}${directory}` };
    }
    const revision = at ?? (page === "main" ? undefined : page);
    if (revision === undefined) return { value: id };
    const place =
      revisionKey === null ? "without a revision" : `with the revision ${revision} in the key ${revisionKey}`;
    return { expected: `${id}, ${place}`, example: id };
  };

interface Pasted {
  readonly id: string;
  readonly page: string | undefined;
  readonly at: string | undefined;
}

function readPasted(plain: string): Pasted {
  const [, id = "", page, at] = PASTED.exec(plain) ?? [];
  return { id, page: page && decoded(page), at: at && decoded(at) };
}

function readCheckpoint(plain: string): Pasted | undefined {
  const [, id, page, at, file = ""] = CHECKPOINT.exec(plain) ?? [];
  if (id === undefined || (page !== undefined && OF_A_PART.test(file))) return undefined;
  return { id: `${id}/${decoded(file)}`, page: page && decoded(page), at: at && decoded(at) };
}

/** As it was before it became a part of an address. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
