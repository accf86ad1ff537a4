// The picture of a group before it goes up: its middle, square and small. What a camera wrote beside it is gone with that.
import { upload } from "../api/calls";

const SIDE = 512;

/** The upload's id; null when the file is no picture that can be shown. */
export async function uploadedPicture(file: File): Promise<string | null> {
  const square = await squared(file);
  if (!square) return null;
  const item = await upload(square, { name: "group.jpg", type: "image/jpeg" });
  return item.upload;
}

async function squared(file: File): Promise<Blob | null> {
  const picture = await createImageBitmap(file).catch(() => null);
  if (!picture) return null;
  try {
    const side = Math.min(picture.width, picture.height);
    if (side === 0) return null;
    const small = Math.min(side, SIDE);
    const canvas = new OffscreenCanvas(small, small);
    const context = canvas.getContext("2d");
    if (!context) return null;
    context.imageSmoothingQuality = "high";
    const [left, top] = [(picture.width - side) / 2, (picture.height - side) / 2];
    context.drawImage(picture, left, top, side, side, 0, 0, small, small);
    return await canvas.convertToBlob({ type: "image/jpeg", quality: 0.85 });
  } finally {
    picture.close();
  }
}
