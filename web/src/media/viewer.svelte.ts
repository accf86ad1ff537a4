/** Which pictures are looked at in full; one place for the window, so that whoever shows a picture can open it. */
import type { FileItem, MessageItem } from "../api/types";

export interface Looked {
  files: FileItem[];
  index: number;
  from: MessageItem;
}

class ViewerState {
  looked = $state.raw<Looked | null>(null);

  open(looked: Looked): void {
    this.looked = looked;
  }

  close(): void {
    this.looked = null;
  }
}

export const viewer = new ViewerState();
