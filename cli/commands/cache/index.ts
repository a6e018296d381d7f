/**
 * Cache commands. In: a stack. Out: what the command `image-gen` did with its cache, wherever that cache is.
 * Never reads or writes a model's file: only image-gen does.
 */
import type { Command } from "commander";
import { addBackup } from "./backup.ts";
import { addClear } from "./clear.ts";
import { addGc } from "./gc.ts";
import { addMirror } from "./mirror.ts";
import { addPrefetch, addVerify } from "./pass-through.ts";
import { addPut } from "./put.ts";
import { addRestore } from "./restore.ts";
import { addCacheStatus } from "./status.ts";

export function addCache(program: Command, signal: AbortSignal): void {
  const cache = program.command("cache").description("manage the downloaded models");
  for (const add of [addCacheStatus, addVerify, addPrefetch, addMirror, addPut, addClear, addGc, addBackup, addRestore])
    add(cache, signal);
}
