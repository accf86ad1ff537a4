/** The number of unread messages in the window's title, its icon, and the icon of the installed app. */

const SIZE = 64;
let drawn = "";
let url: string | null = null;
const plain =
  document.querySelector<HTMLLinkElement>('link[rel="icon"]')?.getAttribute("href") ?? "/icon.svg";
let picture: Promise<HTMLImageElement> | null = null;

export async function showCount(count: number): Promise<void> {
  void (count > 0 ? navigator.setAppBadge?.(count) : navigator.clearAppBadge?.())?.catch(() => {});
  const text = count === 0 ? "" : count > 99 ? "99+" : String(count);
  if (text === drawn) return;
  drawn = text;
  if (text === "") return setIcon(plain, "image/svg+xml", null);
  try {
    picture ??= loaded();
    const blob = await withCount(await picture, text);
    // Another count may have come while this one was drawn.
    if (text === drawn && blob) {
      const made = URL.createObjectURL(blob);
      setIcon(made, "image/png", made);
    }
  } catch {
    // The title says it as well.
  }
}

function loaded(): Promise<HTMLImageElement> {
  const image = new Image(SIZE, SIZE);
  image.src = plain;
  return image.decode().then(() => image);
}

async function withCount(image: HTMLImageElement, text: string): Promise<Blob | null> {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIZE;
  const context = canvas.getContext("2d");
  if (!context) return null;
  context.drawImage(image, 0, 0, SIZE, SIZE);
  const width = text.length === 1 ? 38 : text.length === 2 ? 48 : 58;
  context.beginPath();
  context.roundRect(SIZE - width, SIZE - 38, width, 38, 19);
  context.fillStyle = "#b3261e";
  context.fill();
  context.fillStyle = "#ffffff";
  context.font = `600 ${text.length > 2 ? 26 : 30}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(text, SIZE - width / 2, SIZE - 18);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

function setIcon(href: string, type: string, made: string | null): void {
  // Browsers look again at a new element, not at a changed one.
  for (const old of document.querySelectorAll('link[rel="icon"]')) old.remove();
  const link = document.createElement("link");
  link.rel = "icon";
  link.type = type;
  link.href = href;
  document.head.append(link);
  // The browser may still be fetching the one before.
  const before = url;
  if (before) setTimeout(() => URL.revokeObjectURL(before), 10_000);
  url = made;
}
