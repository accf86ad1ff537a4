/** What one can do with a file of a message. Errors are said in passing. */
import { call, ask } from "../api/calls";
import { fileUrl, release } from "../api/files";
import type { FileItem } from "../api/types";
import { sayError } from "../state/toasts.svelte";
import { cleanName } from "./prepare";

export async function fetchFile(file: FileItem): Promise<void> {
  await call("fetch_file", { file: file.id }).catch(sayError);
}

export async function pauseFile(file: FileItem): Promise<void> {
  await call("pause_file", { file: file.id }).catch(sayError);
}

export async function resumeFile(file: FileItem): Promise<void> {
  await call("resume_file", { file: file.id }).catch(sayError);
}

/** Into the folder where the browser keeps what it loads. */
export async function saveFile(file: FileItem): Promise<void> {
  try {
    const { url } = await ask("ticket", { file: file.id });
    const link = document.createElement("a");
    link.href = url;
    link.download = cleanName(file.name);
    link.rel = "noreferrer";
    link.click();
  } catch (error) {
    sayError(error);
  }
}

/** A url for a film: its bytes are read as they are played, never all at once. */
export async function filmUrl(file: FileItem): Promise<string> {
  return (await ask("ticket", { file: file.id })).url;
}

/** Holds the bytes of a file as a url for as long as `use` is not undone. For `$effect`. */
export function held(id: string, use: (url: string) => void, failed: () => void = () => {}): () => void {
  let gone = false;
  fileUrl(id).then(
    (url) => gone || use(url),
    () => gone || failed(),
  );
  return () => {
    gone = true;
    release(id);
  };
}
