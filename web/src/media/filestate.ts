/** What is happening to a file, in the words that its row has. Pure. */
import type { FileItem } from "../api/types";

export type Happening =
  "here" | "offered" | "stopped" | "coming" | "waiting" | "going" | "held" | "gone" | "failed";

export function stateOf(file: FileItem, mine: boolean): Happening {
  switch (file.state) {
    case "offered":
      return file.done > 0 ? "stopped" : "offered";
    case "coming":
      return file.paused ? "stopped" : "coming";
    case "going":
      if (file.paused) return "held";
      return file.done > 0 ? "going" : "waiting";
    case "failed":
      return mine ? "failed" : "gone";
    default:
      return file.state;
  }
}
