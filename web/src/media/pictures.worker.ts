/** One picture at a time, so that the memory of one is all that it takes. */
import { pictureOf, type NoPicture, type Picture } from "./pictures";

export interface Asked {
  id: number;
  file: Blob;
  full: boolean;
}
export type Answered = { id: number; made: Picture | NoPicture } | { id: number; failed: string };

let last: Promise<void> = Promise.resolve();

self.onmessage = ({ data: { id, file, full } }: MessageEvent<Asked>) => {
  last = last.then(async () => {
    let answer: Answered;
    try {
      answer = { id, made: await pictureOf(file, full) };
    } catch (error) {
      answer = { id, failed: String(error) };
    }
    self.postMessage(answer);
  });
};
