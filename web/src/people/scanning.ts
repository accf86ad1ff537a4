// Reading QR codes: from the camera, or from a picture of one. The reader is fetched when it is first needed.

type Read = (image: { width: number; height: number; data: Uint8ClampedArray }) => string | undefined;

async function reader(): Promise<Read> {
  const { decodeQR } = await import("qr/decode.js");
  return (image) => {
    try {
      return decodeQR(image);
    } catch {
      return undefined; // no code in this picture
    }
  };
}

const LARGEST = 1280;

function pixels(source: CanvasImageSource, width: number, height: number): ImageData | undefined {
  const scale = Math.min(1, LARGEST / Math.max(width, height));
  const canvas = new OffscreenCanvas(
    Math.max(1, Math.round(width * scale)),
    Math.max(1, Math.round(height * scale)),
  );
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) return undefined;
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** The text of the code in a picture, or undefined. */
export async function readPicture(file: Blob): Promise<string | undefined> {
  const read = await reader();
  const picture = await createImageBitmap(file).catch(() => undefined);
  if (!picture) return undefined;
  const image = pixels(picture, picture.width, picture.height);
  picture.close();
  return image && read(image);
}

/** Whether there may be a camera at all. */
export function canScan(): boolean {
  return !!navigator.mediaDevices?.getUserMedia;
}

/** The camera that looks away from the person, where there are two. Throws what getUserMedia throws. */
export function camera(): Promise<MediaStream> {
  return navigator.mediaDevices.getUserMedia({ audio: false, video: { facingMode: "environment" } });
}

/** Looks at the moving picture until `found` has been told a text, or `stopped`. */
export async function watch(
  video: HTMLVideoElement,
  found: (text: string) => void,
  stopped: AbortSignal,
): Promise<void> {
  const read = await reader();
  while (!stopped.aborted) {
    if (video.videoWidth > 0) {
      const image = pixels(video, video.videoWidth, video.videoHeight);
      const text = image && read(image);
      if (text && !stopped.aborted) {
        found(text);
        return;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 120));
  }
}
